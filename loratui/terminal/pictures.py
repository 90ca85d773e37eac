"""A picture made ready for its place on a screen: decoded, scaled, its marks drawn on it, and the last ones kept."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from rich.cells import cell_len, set_cell_size

from curation.errors import CurationError
from curation.text import visible

BRIGHT, DARK = (255, 214, 0), (0, 0, 0)
"""Of a mark: together they show on any photo."""
DASH = 3
"""Every so-manyth step of a mark's line is dark."""
MOST_KEPT_BYTES = 64_000_000


@dataclass(frozen=True)
class Mark:
    """A box drawn on a picture.  left, top, width, height: fractions of the upright picture's; label: what it holds."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Caption:
    """A mark's label at its place.  x, y: the cell of its first character."""

    x: int
    y: int
    text: str

    @property
    def width(self) -> int:
        """In cells."""
        return cell_len(self.text)


class Scaler:
    """Makes pictures fit, and keeps what it made last, up to a number of bytes. Any thread may ask."""

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple, Image.Image] = OrderedDict()
        self._lock = threading.Lock()

    def scaled(
        self, picture: Path | Image.Image, width: int, height: int, marks: Sequence[Mark] = (), double: bool = False
    ) -> Image.Image:
        """The picture as large as fits into `width` by `height` pixels, never larger than it is, with the marks on it.

        double: to an even height, as half blocks need it.  A file is read again when it has changed.  Raises
        CurationError for a file that cannot be shown.
        """
        if isinstance(picture, Image.Image):
            return _fitted(picture.convert("RGB"), width, height, marks, double)
        key = (picture, *_state(picture), width, height, tuple(marks), double)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = _fitted(_decoded(picture, min(width, height)), width, height, marks, double)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += _bytes(made)
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                self._bytes -= _bytes(self._kept.popitem(last=False)[1])
        return made


def size_in_words(picture: Path | Image.Image) -> str:
    """The size in pixels of a picture as it is shown, upright: "4032 x 3024". Raises CurationError as `scaled` does."""
    if isinstance(picture, Path):
        from curation.photo import load

        _state(picture)
        header = load(picture, least_side=1).header
        return f"{header.width} x {header.height}"
    return f"{picture.width} x {picture.height}"


def captions(marks: Sequence[Mark], columns: int, rows: int) -> list[Caption]:
    """Where the labels of marks go on a picture of so many cells: at a corner of the box, none upon another.

    A label without room anywhere is left out; one that is wider than the picture is cut.
    """
    placed: list[Caption] = []
    for mark in marks:
        text = f" {visible(mark.label)} "
        text = text if cell_len(text) <= columns else set_cell_size(text, columns)
        left, top = round(mark.left * columns), int(mark.top * rows)
        right, bottom = round((mark.left + mark.width) * columns), int((mark.top + mark.height) * rows)
        starts = [min(max(x, 0), columns - cell_len(text)) for x in (left, right - cell_len(text))]
        lines = [y for y in (top - 1, bottom + 1, top, bottom) if 0 <= y < rows]
        spots = (Caption(x, y, text) for y in lines for x in starts)
        free = next((spot for spot in spots if mark.label and not any(_overlap(spot, other) for other in placed)), None)
        if free:
            placed.append(free)
    return placed


def _overlap(one: Caption, other: Caption) -> bool:
    return one.y == other.y and one.x < other.x + other.width and other.x < one.x + one.width


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does: the time of its last change, and its size. Raises CurationError for none."""
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:  # ValueError: no path can have that name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CurationError(f"{visible(path.name)} cannot be read: {reason}.", "Is the folder still there?") from error
    return stat.st_mtime_ns, stat.st_size


def _decoded(path: Path, least_side: int) -> Image.Image:
    from curation.photo import load  # 80 ms, with numpy

    try:
        return load(path, max(least_side, 1)).image
    except MemoryError as error:
        raise CurationError(f"{visible(path.name)} is too large to be shown.", "Make a smaller copy of it.") from error


def _fitted(image: Image.Image, width: int, height: int, marks: Sequence[Mark], double: bool) -> Image.Image:
    scale = min(1.0, width / image.width, height / image.height)
    step = 2 if double else 1
    size = (max(1, round(scale * image.width)), max(1, round(scale * image.height / step)) * step)
    small = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    for mark in marks:
        _draw(small, mark)
    return small


def _draw(image: Image.Image, mark: Mark) -> None:
    """The box of a mark, in dashes of two colours: one pixel thick, or more on large pictures."""
    thickness = max(1, round(min(image.size) / 200))
    right, bottom = image.width - 1, image.height - 1
    x0, y0 = _within(mark.left * image.width, right - 1), _within(mark.top * image.height, bottom - 1)
    x1 = max(_within((mark.left + mark.width) * image.width - 1, right), x0 + 1)
    y1 = max(_within((mark.top + mark.height) * image.height - 1, bottom), y0 + 1)
    draw = ImageDraw.Draw(image)
    for number, (x, y) in enumerate(_around(x0, y0, x1, y1, thickness)):
        square = (x, y, min(x + thickness - 1, x1), min(y + thickness - 1, y1))
        draw.rectangle(square, fill=DARK if number % DASH == 0 else BRIGHT)


def _around(x0: int, y0: int, x1: int, y1: int, step: int) -> Iterator[tuple[int, int]]:
    """The corners of the squares that line a box from within, clockwise."""
    last_x, last_y = max(x1 - step + 1, x0), max(y1 - step + 1, y0)
    yield from ((x, y0) for x in range(x0, last_x, step))
    yield from ((last_x, y) for y in range(y0, last_y, step))
    yield from ((x, last_y) for x in range(last_x, x0, -step))
    yield from ((x0, y) for y in range(last_y, y0, -step))


def _within(value: float, most: int) -> int:
    return min(max(round(value), 0), max(most, 0))


def _bytes(image: Image.Image) -> int:
    return image.width * image.height * 3
