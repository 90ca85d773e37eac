"""One picture, large: left and right to those it compares with, up and down to the other rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from curation.text import visible
from loratui.widgets.picture import PictureView


@dataclass(frozen=True)
class Shown:
    """A picture, its title, and the words below it."""

    path: Path
    title: str
    words: str


class LargePicture(ModalScreen[None]):
    """Goes through rows of pictures, none of them empty; a row is a prompt's, or all there is."""

    DEFAULT_CSS = """
    LargePicture > .panel { width: 100%; height: 100%; }
    LargePicture PictureView { height: 1fr; }
    LargePicture Static { height: auto; max-height: 3; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Left", id="picture.left", tooltip="The picture before, such as an earlier step"),
        Binding("right,l", "move(1)", "Right", id="picture.right", tooltip="The next picture, such as a later step"),
        Binding("up,k", "turn(-1)", "Row before", id="picture.up", tooltip="The row before, such as another prompt"),
        Binding("down,j", "turn(1)", "Next row", id="picture.down", tooltip="The next row, such as another prompt"),
        Binding("escape,q,enter", "dismiss", "Back", id="picture.back", tooltip="Back to the screen below"),
    ]

    def __init__(self, rows: Sequence[Sequence[Shown]], row: int, at: int) -> None:
        super().__init__()
        self._rows, self._row, self._at = rows, row, at

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel"):
            yield PictureView()
            yield Static(markup=False)

    def on_mount(self) -> None:
        self._draw()

    def action_move(self, by: int) -> None:
        self._at = min(max(self._at + by, 0), len(self._rows[self._row]) - 1)
        self._draw()

    def action_turn(self, by: int) -> None:
        self._row = min(max(self._row + by, 0), len(self._rows) - 1)
        self._at = min(self._at, len(self._rows[self._row]) - 1)
        self._draw()

    def _draw(self) -> None:
        shown = self._rows[self._row][self._at]
        panel = self.query_one(".panel")
        panel.border_title = Content(visible(shown.title))
        panel.border_subtitle = Content("arrows: others, esc: back")
        self.query_one(Static).update(visible(shown.words))
        self.query_one(PictureView).show(shown.path)
