"""A photo as large as its place allows, with boxes drawn on it; decoded and scaled away from the UI's thread."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import App
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from curation.errors import CurationError
from curation.text import visible
from loratui.half_blocks import COLOURS, MOST_BYTES, as_half_blocks
from loratui.pictures import Mark, Scaler, captions, size_in_words

LABEL_STYLE = Style(color="#000000", bgcolor="#ffd600", bold=True)
PATIENCE_SECONDS = 0.3
"""How long the former picture stays while the next one is decoded."""

SCALER = Scaler()
"""One for all views, so that a picture seen on one screen is there at once on another."""

Picture = Path | Image.Image


class PictureView(Widget):
    """Shows one photo centred, or the sentence that says why it cannot be shown."""

    class Scaled(Message, bubble=False):
        """A picture is ready to be drawn. lines: its cells, or lines of text."""

        def __init__(self, wanted: object, lines: list[Strip]) -> None:
            super().__init__()
            self.wanted, self.lines = wanted, lines

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture: Picture | None = None
        self._marks: tuple[Mark, ...] = ()
        self._wanted: object = None
        self._is_scaling = False
        self._lines: list[Strip] = []

    def show(self, picture: Picture | None, marks: Sequence[Mark] = ()) -> None:
        """Show this picture with boxes drawn on it, or nothing. A file is read again when it has changed."""
        self._picture, self._marks = picture, tuple(marks)
        self._begin()

    def on_resize(self) -> None:
        self._begin()

    def on_picture_view_scaled(self, message: Scaled) -> None:
        self._is_scaling = False
        if message.wanted is self._wanted:
            self._wanted = None
            self._draw(message.lines)
        else:
            self._scale_next()

    def render_line(self, y: int) -> Strip:
        top = max((self.size.height - len(self._lines)) // 2, 0)
        if not top <= y < top + len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        return centred(self._lines[y - top], self.size.width, self.rich_style)

    def _begin(self) -> None:
        self._wanted = None
        if self._picture is None:
            self._draw([])
        elif self.size.area:
            wanted = self._wanted = object()
            self._scale_next()
            self.set_timer(PATIENCE_SECONDS, lambda: self._draw([]) if self._wanted is wanted else None)

    def _draw(self, lines: list[Strip]) -> None:
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def _scale_next(self) -> None:
        """One at a time: who leafs through large photos wants the one arrived at, not all that were passed."""
        if not self._is_scaling and self._wanted and self._picture:
            self._is_scaling = True
            self._scale(self._wanted, self._picture, self._marks, self.size.width, self.size.height)

    @work(thread=True, group="picture", exit_on_error=False)
    def _scale(self, wanted: object, picture: Picture, marks: tuple[Mark, ...], width: int, height: int) -> None:
        lines = drawn(picture, marks, width, height) if shows_pictures(self.app) else in_words(picture, width)
        self.post_message(self.Scaled(wanted, lines))


def shows_pictures(app: App) -> bool:
    """Whether the terminal has the colours for pictures, and they are not switched off (NO_COLOR)."""
    return app.console.color_system in COLOURS and not app.no_color


def drawn(
    picture: Picture, marks: Sequence[Mark], width: int, height: int, most_bytes: int = MOST_BYTES
) -> list[Strip]:
    """The picture within `width` by `height` cells, two pixels to a cell; a sentence for one that cannot be shown."""
    try:
        image = SCALER.scaled(picture, width, 2 * height, marks, double=True)
    except CurationError as error:
        return _text(error.problem, width)
    lines = [Strip(line) for line in as_half_blocks(image, most_bytes)]
    return with_captions(lines, marks)


def centred(line: Strip, width: int, style: Style) -> Strip:
    """A line of a picture, or of text in this style, in the middle of `width` cells."""
    margin = Segment(" " * max((width - line.cell_length) // 2, 0), style)
    segments = [segment if segment.style else Segment(segment.text, style) for segment in line]
    return Strip([margin, *segments]).adjust_cell_length(width, style)


def with_captions(lines: list[Strip], marks: Sequence[Mark]) -> list[Strip]:
    """The labels of the marks written over the lines of a picture."""
    for caption in captions(marks, lines[0].cell_length, len(lines)):
        line, end = lines[caption.y], caption.x + caption.width
        label = Strip([Segment(caption.text, LABEL_STYLE)])
        lines[caption.y] = Strip.join([line.crop(0, caption.x), label, line.crop(end)])
    return lines


def in_words(picture: Picture, width: int) -> list[Strip]:
    """What stands in for a picture where there are no colours: its name and its size in pixels."""
    try:
        size = size_in_words(picture)
    except CurationError as error:
        return _text(error.problem, width)
    return [*(_text(picture.name, width) if isinstance(picture, Path) else []), *_text(size, width)]


def _text(sentence: str, width: int) -> list[Strip]:
    """One sentence, broken into lines."""
    words, lines = visible(sentence).split(), [""]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [Strip([Segment(line)]).crop(0, width) for line in lines]
