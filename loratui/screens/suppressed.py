"""What was said to be fine, with the reasons; one can be taken back."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from curation.report import Suppression
from curation.text import visible
from loratui.photos.findings import WHOLE_SET
from loratui.widgets.row_list import Cell, Column, RowList


class SuppressedScreen(ModalScreen[Suppression | None]):
    """Dismisses with the suppression to take back; None leaves things as they are."""

    CSS_PATH = "suppressed.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="suppressed.close", tooltip="Leave things as they are"),
        Binding("x", "take_back", "Take back", id="suppressed.take_back", tooltip="Hear of this finding again"),
    ]

    def __init__(self, suppressions: Sequence[Suppression]) -> None:
        super().__init__()
        self._suppressions = {str(number): one for number, one in enumerate(suppressions)}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Suppressed"
            dialog.border_subtitle = "x takes one back, esc closes"
            yield RowList([Column("Rule", 7), Column("Photos"), Column("Reason"), Column("Since", 10, least=70)])
            yield Static(id="whole-reason", markup=False)

    def on_mount(self) -> None:
        suppressions = self.query_one(RowList)
        suppressions.show(self._suppressions, self._cells)
        suppressions.focus()
        self._draw(suppressions.key)

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        self._draw(message.key)

    def action_take_back(self) -> None:
        key = self.query_one(RowList).key
        self.dismiss(self._suppressions[key] if key else None)

    def _draw(self, key: str | None) -> None:
        said = self._suppressions[key].reason if key else "Nothing is suppressed here."
        self.query_one("#whole-reason", Static).update(visible(said))

    def _cells(self, key: str) -> tuple[Cell, ...]:
        one = self._suppressions[key]
        return one.code, ", ".join(one.photos) or WHOLE_SET, one.reason, one.date
