"""A table of rows that sends nothing over the line when the mouse moves, and knows the vim keys."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.widgets.data_table import Column, ColumnKey

from curation.text import visible


class QuietTable(DataTable[Text]):
    """A DataTable that moves by row, takes plain text for cells, and ignores hovering.

    With Textual's own settings one mouse move over a table repaints the whole of it: 10 KB at 120x40.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "scroll_top", "First", show=False),
        Binding("G", "scroll_bottom", "Last", show=False),
    ]

    def __init__(self, columns: Sequence[str], id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self.auto_links = False
        for name in columns:
            self.add_column(name, key=name)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        event.prevent_default()

    def show_rows(self, rows: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Replace all rows, each a key and its cells; the cursor stays on the row that it was on."""
        row = self.cursor_row
        self.clear()
        for key, cells in rows:
            texts = [Text(visible(cell)) for cell in cells]
            self.add_row(*texts, key=key)
            for column, text in zip(self.ordered_columns, texts, strict=True):
                _make_room(column, text)
        if self.row_count:
            self.move_cursor(row=min(row, self.row_count - 1))

    def show_cell(self, key: str, column: str, cell: str) -> None:
        """Replace one cell, if it says something else."""
        if str(self.get_cell(key, column)) != visible(cell):
            text = Text(visible(cell))
            self.update_cell(key, column, text, update_width=True)
            _make_room(self.columns[ColumnKey(column)], text)


def _make_room(column: Column, text: Text) -> None:
    """Widen a column at once. DataTable waits until it is idle, and what was painted before stays cut off."""
    column.content_width = max(column.content_width, text.cell_len)
