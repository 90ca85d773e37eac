"""A photo in half blocks, two pixels to a cell; decoded and scaled away from the UI's thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.segment import Segment
from textual import work
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import get_current_worker

from curation.errors import CurationError
from loratui.half_blocks import half_blocks


@dataclass(frozen=True)
class Mark:
    """A box drawn on a picture.  left, top, width, height: fractions of the upright picture's; label: what it holds."""

    label: str
    left: float
    top: float
    width: float
    height: float


class PictureView(Widget):
    """Shows one photo as large as fits, centred, or the sentence that says why it cannot be shown."""

    class Scaled(Message, bubble=False):
        """A photo is ready to be drawn. lines: its half blocks, or one line of text."""

        def __init__(self, path: Path, lines: list[Strip]) -> None:
            super().__init__()
            self.path = path
            self.lines = lines

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self._lines: list[Strip] = []

    def show(self, path: Path | None, marks: Sequence[Mark] = ()) -> None:
        """Show the photo at `path` with boxes drawn on it, or nothing."""
        if path != self._path:
            self._path = path
            self._begin()

    def on_resize(self) -> None:
        self._begin()

    def on_picture_view_scaled(self, message: Scaled) -> None:
        if message.path == self._path:
            self._lines = message.lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        top = max((self.size.height - len(self._lines)) // 2, 0)
        if not top <= y < top + len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[y - top]
        margin = max((self.size.width - line.cell_length) // 2, 0)
        return Strip([Segment(" " * margin, self.rich_style), *line]).adjust_cell_length(
            self.size.width, self.rich_style
        )

    def _begin(self) -> None:
        if self._path is None:
            self._lines = []
            self.refresh()
        elif self.size.area:
            self._scale(self._path, self.size.width, self.size.height)

    @work(thread=True, exclusive=True, group="photo", exit_on_error=False)
    def _scale(self, path: Path, width: int, height: int) -> None:
        try:
            lines = half_blocks_of(path, width, height)
        except CurationError as error:
            lines = [Strip([Segment(error.problem)])]
        if not get_current_worker().is_cancelled:
            self.post_message(self.Scaled(path, lines))


def half_blocks_of(path: Path, width: int, height: int) -> list[Strip]:
    """The photo within `width` by `height` cells. Raises CurationError for a photo that cannot be decoded."""
    from curation.photo import load_rgb  # 80 ms, with numpy

    return [Strip(line) for line in half_blocks(load_rgb(path), width, height)]
