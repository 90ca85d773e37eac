"""A list of any length: only the lines on the screen are asked for, and a moved cursor repaints two of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from curation.text import visible

Cell = str | Text
GAP = 2


@dataclass(frozen=True)
class Column:
    """width: in cells; None for a share of what is left.  least: the width of a list below which it is dropped."""

    title: str
    width: int | None = None
    least: int = 0


class RowList(ScrollView, can_focus=True):
    """Rows of cells, each row known by a key.

    Cells are asked for when a row is drawn, so a list of 10,000 opens as fast as one of ten.  A `str` is shown safely,
    control characters spelled out; a `Text` is drawn as it is, so its maker escapes what comes from outside.
    """

    DEFAULT_CSS = "RowList { overflow-x: hidden; }"  # columns share what width there is
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-list--header", "row-list--cursor", "row-list--marked"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up", tooltip="The row above"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down", tooltip="The row below"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.page_up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.page_down", tooltip="A page down"),
        Binding("home,g", "edge(0)", "First", show=False, id="list.first", tooltip="The first row"),
        Binding("end,G", "edge(-1)", "Last", show=False, id="list.last", tooltip="The last row"),
        Binding("enter", "choose", "Choose", show=False, id="list.choose", tooltip="Open or choose the row"),
    ]

    class Highlighted(Message):
        """The cursor came to a row."""

        def __init__(self, row_list: "RowList", key: str) -> None:
            super().__init__()
            self.row_list, self.key = row_list, key

        @property
        def control(self) -> "RowList":
            return self.row_list

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RowList.Highlighted) and message.row_list is self.row_list

    class Chosen(Message):
        """Enter or a second click on a row."""

        def __init__(self, row_list: "RowList", key: str) -> None:
            super().__init__()
            self.row_list, self.key = row_list, key

        @property
        def control(self) -> "RowList":
            return self.row_list

    def __init__(self, columns: Sequence[Column], id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = columns
        self._keys: Sequence[str] = ()
        self._rows: dict[str, int] = {}
        self._cells: Callable[[str], Sequence[Cell]] = lambda key: (key,)
        self._marked: frozenset[str] = frozenset()
        self._row = 0

    def show(self, keys: Iterable[str], cells: Callable[[str], Sequence[Cell]]) -> None:
        """Show these rows; the cursor stays on its key, or else on its line."""
        key, row = self.key, self._row
        self._keys, self._cells = tuple(keys), cells
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self._row = self._rows.get(key, min(row, max(len(self._keys) - 1, 0))) if key else 0
        self.virtual_size = Size(self.size.width, len(self._keys) + 1)
        self._keep_in_sight()
        self.refresh()
        if self.key and self.key != key:
            self.post_message(self.Highlighted(self, self.key))

    def redraw(self, *keys: str) -> None:
        """Draw these rows again, where they are in sight; their cells have changed."""
        for key in keys:
            if key in self._rows:
                self._refresh_row(self._rows[key])

    def mark(self, keys: Iterable[str]) -> None:
        """Show these rows, and no others, as marked."""
        before, self._marked = self._marked, frozenset(keys)
        self.redraw(*(before ^ self._marked))

    @property
    def keys(self) -> Sequence[str]:
        """The keys of all rows, from the top."""
        return self._keys

    @property
    def key(self) -> str | None:
        """The row under the cursor; None in an empty list."""
        return self._keys[self._row] if self._row < len(self._keys) else None

    @property
    def row(self) -> int:
        """The number of that row, from 0."""
        return self._row

    def go_to(self, row: int) -> None:
        """Move the cursor to a row, or to the end that lies in its direction."""
        row = min(max(row, 0), len(self._keys) - 1)
        if row < 0 or row == self._row:
            return
        before, self._row = self._row, row
        if not self._keep_in_sight():
            self._refresh_row(before)
            self._refresh_row(row)
        self.post_message(self.Highlighted(self, self._keys[row]))

    def go_to_key(self, key: str) -> None:
        """Move the cursor to that key's row, if there is one."""
        if key in self._rows:
            self.go_to(self._rows[key])

    def action_move(self, by: int) -> None:
        self.go_to(self._row + by)

    def action_page(self, by: int) -> None:
        self.go_to(self._row + by * max(self._height - 1, 1))

    def action_edge(self, row: int) -> None:
        self.go_to(row % max(len(self._keys), 1))

    def action_choose(self) -> None:
        if self.key:
            self.post_message(self.Chosen(self, self.key))

    def on_click(self, event: events.Click) -> None:
        row = event.get_content_offset_capture(self).y - 1 + self._top
        if event.get_content_offset_capture(self).y < 1 or row >= len(self._keys):
            return
        if row == self._row and event.chain > 1:
            self.action_choose()
        self.go_to(row)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._keys) + 1)
        self._keep_in_sight()

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._strip([column.title for column in self._columns], self._style("header"))
        row = self._top + y - 1
        if row >= len(self._keys):
            return Strip.blank(self.size.width, self.rich_style)
        key = self._keys[row]
        if row == self._row:
            style = self._style("cursor")
            colours = Style(color=style.color, bgcolor=style.bgcolor)  # over those of the cells, which may be the same
            return Strip(Segment.apply_style(self._strip(self._cells(key), style), post_style=colours))
        style = self._style("marked") if key in self._marked else self.rich_style
        return self._strip(self._cells(key), style)

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"row-list--{part}")

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    @property
    def _height(self) -> int:
        """Rows in sight, without the header."""
        return max(self.scrollable_content_region.height - 1, 1)

    def _keep_in_sight(self) -> bool:
        """Scroll to the cursor; half a page at once, for each scroll sends the whole list. Returns whether it did."""
        if self._top <= self._row < self._top + self._height:
            return False
        at_page_end = self._row in (self._top - 1, self._top + self._height)
        before = self._height // 2 if at_page_end and self._row >= self._top else self._height - 1 - self._height // 2
        self.scroll_to(y=max(self._row - before, 0), animate=False, force=True, immediate=True)
        return True

    def _refresh_row(self, row: int) -> None:
        y = row - self._top + 1
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _strip(self, cells: Sequence[Cell], style: Style) -> Strip:
        width = self.size.width
        shown = [column.least <= width for column in self._columns]
        fixed = sum(column.width + GAP for column, on in zip(self._columns, shown, strict=True) if on and column.width)
        shares = sum(on and column.width is None for column, on in zip(self._columns, shown, strict=True))
        share = max((width - fixed) // shares - GAP, 1) if shares else 0
        line = Text(end="", no_wrap=True)
        for column, on, cell in zip(self._columns, shown, cells, strict=False):
            if on:
                text = cell.copy() if isinstance(cell, Text) else Text(visible(cell))
                text.truncate(column.width or share, overflow="ellipsis", pad=True)
                line.append_text(text).append(" " * GAP)
        segments = [segment for segment in line.render(self.app.console) if segment.text]
        return Strip(Segment.apply_style(segments, style)).adjust_cell_length(width, style)
