"""A choice of one out of a list, in a dialog."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from loratui.widgets.row_list import Column, RowList


class ChooseScreen(ModalScreen[str | None]):
    """Offers rows; dismisses with the key of the one that was chosen, or None."""

    DEFAULT_CSS = "ChooseScreen RowList { height: auto; max-height: 16; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Leave", id="choose.leave", tooltip="Choose nothing"),
    ]

    def __init__(self, title: str, columns: Sequence[Column], rows: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._title, self._columns, self._rows = title, columns, rows

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            dialog.border_subtitle = "enter chooses, esc leaves"
            yield RowList(self._columns)

    def on_mount(self) -> None:
        rows = self.query_one(RowList)
        rows.styles.height = min(len(self._rows) + 1, 16)
        rows.show(self._rows, self._rows.__getitem__)
        rows.focus()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        self.dismiss(event.key)
