"""Pictures in half blocks, two pixels to a cell, for terminals with colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from curation.errors import CurationError
from curation.text import visible
from loratui.terminal.glyphs import glyphs
from loratui.terminal.ways import COLOURS

LEAST_COLUMNS, MOST_COLUMNS = 24, 32
"""Of a small picture: fewer do not show what it is, more leave no room for a second one."""
MOST_IN_A_ROW = 4
GAP = 2
MOST_BYTES = 32 * 1024
"""That one picture may send: a second on a line of 256 kbit/s."""
TOLERANCES = (0, 6, 12, 18, 24, 32)
"""By how much a channel of neighbouring cells may differ before a new colour is sent, finest first."""


@dataclass(frozen=True)
class Shown:
    """A picture, or the file that holds it, and the words under it."""

    picture: Image.Image | Path
    label: str


class HalfBlocks:
    """A picture as rich draws it."""

    def __init__(self, lines: Sequence[Sequence[Segment]]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = max((sum(segment.cell_length for segment in line) for line in self.lines), default=0)
        return Measurement(width, width)


def shows_pictures(console: Console) -> bool:
    """Whether it is a terminal with the colours for them, and colours are not switched off (NO_COLOR)."""
    coloured = console.color_system in COLOURS and not console.no_color
    return console.is_terminal and not console.is_dumb_terminal and coloured


def places_in_a_row(width: int) -> tuple[int, int]:
    """How many small pictures stand side by side in a terminal of `width` columns, and the columns of each."""
    count = max(1, min(MOST_IN_A_ROW, width // (LEAST_COLUMNS + GAP)))
    return count, max(1, min(MOST_COLUMNS, width // count - GAP))


def side_by_side(row: Sequence[Shown], columns: int) -> RenderableType:
    """Small pictures, `columns` wide, each over its words. A file that cannot be read is said to be so in its place."""
    grid = Table.grid(padding=(0, GAP, 0, 0))
    for _ in row:
        grid.add_column(width=columns)
    grid.add_row(*[_drawn(shown.picture, columns) for shown in row])
    grid.add_row(*[Text(visible(shown.label), style="dim") for shown in row])
    return grid


def half_blocks(image: Image.Image, width: int, height: int) -> list[list[Segment]]:
    """The RGB picture, made smaller to fit `width` by `height` cells, each an upper half block on a coloured ground."""
    scale = min(1.0, width / image.width, 2 * height / image.height)
    size = (max(1, round(scale * image.width)), max(2, 2 * int(scale * image.height / 2)))
    return as_half_blocks(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))


def as_half_blocks(image: Image.Image, most_bytes: int | None = None) -> list[list[Segment]]:
    """The RGB picture as it is, two pixels to a cell, neighbours of one colour in one segment; its height is even.

    most_bytes: to be sent; as many neighbours as needed become one colour, and then the picture smaller.
    """
    import numpy as np  # 80 ms

    pixels = np.asarray(image)
    cells = np.concatenate((pixels[::2], pixels[1::2]), axis=2).tolist()
    for tolerance in TOLERANCES:
        runs = [_runs(line, tolerance) for line in cells]
        if (
            most_bytes is None
            or sum(_bytes(colours) + 3 * count for line in runs for colours, count in line) <= most_bytes
        ):
            sign = glyphs().upper_half
            return [[Segment(sign * count, _style(*colours)) for colours, count in line] for line in runs]
    return as_half_blocks(image.resize((max(1, image.width * 7 // 8), max(2, image.height * 7 // 16 * 2))), most_bytes)


def _drawn(picture: Image.Image | Path, columns: int) -> RenderableType:
    if isinstance(picture, Image.Image):
        return HalfBlocks(half_blocks(picture, columns, columns))
    try:
        return HalfBlocks(_half_blocks_of(picture, picture.stat().st_mtime_ns, columns))
    except CurationError as error:
        return Text(error.problem)
    except (OSError, ValueError):  # ValueError: no path can have that name
        return Text(f"{visible(picture.name)} is gone.")


@lru_cache(maxsize=64)
def _half_blocks_of(path: Path, _modified: int, columns: int) -> list[list[Segment]]:
    """Those of a file, read once as long as it stays as it is: a live display draws it twice a second."""
    from curation.photo import load_rgb  # 80 ms, with numpy

    return half_blocks(load_rgb(path), columns, columns)


Colours = tuple[int, int, int, int, int, int]
"""Red, green and blue of a cell's upper half, then of its lower half."""


def _runs(line: Sequence[Sequence[int]], tolerance: int) -> list[tuple[Colours, int]]:
    """The cells of a line in runs of nearly one colour, each with its length; the first cell gives the colour."""
    runs: list[tuple[Colours, int]] = []
    first, count = line[0], 0
    for cell in line:
        if all(abs(one - other) <= tolerance for one, other in zip(first, cell, strict=True)):
            count += 1
        else:
            runs.append((tuple(first), count))  # type: ignore[arg-type]
            first, count = cell, 1
    runs.append((tuple(first), count))  # type: ignore[arg-type]
    return runs


def _bytes(colours: Colours) -> int:
    """Of the sequences that switch these colours on and off again."""
    return len("\x1b[38;2;;;;48;2;;;m\x1b[0m") + sum(1 + (value > 9) + (value > 99) for value in colours)


def _style(*colours: int) -> Style:
    return Style(color=Color.from_rgb(*colours[:3]), bgcolor=Color.from_rgb(*colours[3:]))
