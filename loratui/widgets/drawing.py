"""One picture drawn for its place, in the way that the terminal has: lines of cells, and what goes beside them."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.geometry import Offset, Size
from textual.strip import Strip

from curation.errors import CurationError
from curation.text import visible
from loratui.picture_app import PictureApp
from loratui.terminal import kitty
from loratui.terminal.half_blocks import MOST_BYTES, as_half_blocks
from loratui.terminal.pictures import Caption, Mark, Scaler, captions, size_in_words
from loratui.terminal.sixel import sixel
from loratui.terminal.ways import COLOURS, Way

LABEL_STYLE = Style(color="#000000", bgcolor="#ffd600", bold=True)
SCALER = Scaler()
"""One for all views, so that a picture seen on one screen is there at once on another."""

Picture = Path | Image.Image

_numbers = itertools.count(os.getpid() % 0xFFFF * 0x100)
"""Of kitty's pictures, 24 bits: those of two programs in one terminal lie apart."""


@dataclass(frozen=True)
class Place:
    """Where a picture is to be drawn.  size, cell: in cells, and of one cell in pixels.  most_bytes: of half blocks."""

    size: Size
    way: Way = "half-blocks"
    cell: tuple[int, int] = (1, 2)
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True)
class Drawing:
    """lines: of cells, or of text.  image: the pixels they show; None for text.

    number, transmit: of kitty's picture, and the commands that send it, before its lines are drawn.
    sixel, captions: the sequence that is drawn over the lines, once they are, and the labels over that.
    """

    place: Place
    lines: list[Strip] = field(default_factory=list)
    image: Image.Image | None = None
    number: int = 0
    transmit: str = ""
    sixel: str = ""
    captions: Sequence[Caption] = ()

    def sixel_at(self, corner: Offset) -> str:
        """The sequence that draws the picture there on the screen, and the labels of its marks over it."""
        labels = "".join(
            f"\x1b[{corner.y + label.y + 1};{corner.x + label.x + 1}H\x1b[1;30;43m{label.text}\x1b[0m"
            for label in self.captions
        )
        return f"\x1b7\x1b[{corner.y + 1};{corner.x + 1}H{self.sixel}{labels}\x1b8" if self.sixel else ""

    @property
    def forget(self) -> str:
        """The command that takes the picture out of the terminal's memory again."""
        return kitty.delete(self.number) if self.number else ""


def place_in(app: App, size: Size, most_bytes: int = MOST_BYTES, can_float: bool = True) -> Place:
    """A place of this size in this app's terminal.  can_float: whether its owner can draw sixel over its lines."""
    if not isinstance(app, PictureApp):
        has_colours = app.console.color_system in COLOURS and not app.no_color
        return Place(size, "half-blocks" if has_colours else "off", most_bytes=most_bytes)
    way = app.picture_way
    if way == "sixel" and not can_float:
        way = "half-blocks"
    return Place(size, way, app.terminal.cell if way in {"kitty", "sixel"} else (1, 2), most_bytes)


def draw(picture: Picture, marks: Sequence[Mark], place: Place, before: Drawing | None = None) -> Drawing:
    """The picture with its marks, as large as fits; a sentence for one that cannot be shown.

    before: what stands there now; the same picture in the same place is not made, nor sent, again.
    """
    columns, rows = min(place.size.width, kitty.MOST_CELLS), min(place.size.height, kitty.MOST_CELLS)
    try:
        if place.way == "off":
            return Drawing(place, _in_words(picture, columns))
        width, height = columns * place.cell[0], rows * place.cell[1]
        image = SCALER.scaled(picture, width, height, marks, double=place.way == "half-blocks")
    except CurationError as error:
        return Drawing(place, _text(error.problem, columns))
    if before and before.image is image and before.place == place:
        return before
    if place.way == "half-blocks":
        lines = [Strip(line) for line in as_half_blocks(image, place.most_bytes)]
        return Drawing(place, _labelled(lines, captions(marks, lines[0].cell_length, len(lines))), image)
    columns, rows = -(-image.width // place.cell[0]), -(-image.height // place.cell[1])
    labels = captions(marks, columns, rows)
    if place.way == "sixel":
        blank = [Strip([Segment(" " * columns)])] * rows
        return Drawing(place, blank, image, sixel=sixel(image), captions=labels)
    number = next(_numbers) % 0xFFFFFF + 1
    style = Style(color=Color.from_rgb(number >> 16, number >> 8 & 0xFF, number & 0xFF))
    lines = [Strip([Segment(line, style)], columns) for line in kitty.placeholders(columns, rows)]
    return Drawing(place, _labelled(lines, labels), image, number, kitty.transmit(image, number, columns, rows))


def _labelled(lines: list[Strip], labels: Sequence[Caption]) -> list[Strip]:
    """The lines of a picture with labels written over them."""
    for label in labels:
        line, end = lines[label.y], label.x + label.width
        text = Strip([Segment(label.text, LABEL_STYLE)])
        lines[label.y] = Strip.join([line.crop(0, label.x), text, line.crop(end)])
    return lines


def centred(line: Strip, width: int, style: Style) -> Strip:
    """A line of a picture, or of text in this style, in the middle of `width` cells."""
    margin = Segment(" " * max((width - line.cell_length) // 2, 0), style)
    segments = [segment if segment.style else Segment(segment.text, style) for segment in line]
    return Strip([margin, *segments]).adjust_cell_length(width, style)


def _in_words(picture: Picture, width: int) -> list[Strip]:
    """What stands for a picture where it cannot be drawn: its name and its size in pixels."""
    size = size_in_words(picture)
    return [*(_text(picture.name, width) if isinstance(picture, Path) else []), *_text(size, width)]


def _text(sentence: str, width: int) -> list[Strip]:
    """One sentence, broken into lines."""
    words, lines = visible(sentence).split(), [""]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [Strip([Segment(line)]).crop(0, width) for line in lines]
