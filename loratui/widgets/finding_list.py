"""The findings as a list that one groups, folds and filters."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from curation.report import Finding, Report
from curation.text import visible
from loratui.photos.findings import Entry, Grouping, Row, keyed, matching, rows
from loratui.terminal.glyphs import glyphs
from loratui.widgets.row_list import Cell, Column, RowList

SEVERITY_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "not checked": "dim"}


class FindingList(Vertical):
    """Findings and checks that were not made. The cursor stays on its finding while others come and go."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.step_out", "All findings", show=False, id="findings.all", tooltip="End the filter"),
    ]

    class Moved(Message):
        """The cursor came to another line, or to one that says something else now."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, FindingList.Moved)

    def __init__(self) -> None:
        super().__init__(id="finding-list", classes="panel")
        self._all: dict[str, Entry] = {}
        self._entries: dict[str, Entry] = {}
        self._rows: dict[str, Row] = {}
        self._by: Grouping = "rule"
        self._folded: set[str] = set()
        self._placed: str | None = None  # where the list itself put the cursor

    def compose(self) -> ComposeResult:
        yield Input(placeholder="words of a rule, a photo, a message; enter keeps them, esc clears", compact=True)
        yield RowList([Column("Severity", 11), Column("About", 28), Column("Finding", least=50)], id="findings")

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self._say_how_many()

    def show(self, report: Report | None) -> None:
        """Show what this report says. A cursor that nobody has moved yet stays on the worst finding."""
        self._all = {} if report is None else keyed(report)
        self._draw()

    @property
    def row(self) -> Row | None:
        """The line under the cursor."""
        key = self._list.key
        return self._rows[key] if key else None

    @property
    def chosen(self) -> list[Entry]:
        """What that line is about: one entry, or those of a group."""
        return [self._entries[key] for key in self.row.entries] if self.row else []

    @property
    def is_filtered(self) -> bool:
        """Whether words are asked for."""
        return bool(self.query_one(Input).value.strip())

    def group_by_other(self) -> None:
        """Group by photo instead of by rule, or back; the cursor stays on its finding."""
        finding = self.row.entries[0] if self.row else None
        self._by = "photo" if self._by == "rule" else "rule"
        self._folded.clear()
        self._draw()
        keys = (key for key, row in self._rows.items() if not row.is_group and finding in row.entries)
        self._list.go_to_key(next(keys, ""))

    def fold(self) -> None:
        """Hide the entries of the group under the cursor, or show them again."""
        if self.row and self.row.is_group and self._list.key:
            self._folded ^= {self._list.key}
            self._draw()
            self._list.redraw(self._list.key)

    def ask_filter(self) -> None:
        """Let words be typed."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def clear_filter(self) -> None:
        """Show everything again."""
        field = self.query_one(Input)
        field.value = ""
        field.display = False
        self._list.focus()

    @on(Input.Changed)
    def _filter(self) -> None:
        self._draw()

    @on(Input.Submitted)
    def _keep_filter(self) -> None:
        self.query_one(Input).display = self.is_filtered
        self._list.focus()

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        message.stop()
        self.post_message(self.Moved())

    @property
    def _list(self) -> RowList:
        return self.query_one(RowList)

    def _draw(self) -> None:
        about, is_unmoved = self.chosen, self._list.key == self._placed
        self._entries = matching(self._all, self.query_one(Input).value)
        self._rows = rows(self._entries, self._by, self._folded)
        self._list.show(self._rows, self._cells)
        if is_unmoved:
            self._list.go_to(0)
            self._placed = self._list.key
        if self.chosen != about:
            self.post_message(self.Moved())
        self._say_how_many()

    def _say_how_many(self) -> None:
        shown, there = (sum(isinstance(one, Finding) for one in some.values()) for some in (self._entries, self._all))
        count = f"{shown} of {there}" if shown < there else f"{there}"
        title = f"Findings by {self._by}: {count}" if self._all else "Findings"
        if title != self.border_title:
            self.border_title = title

    def _cells(self, key: str) -> tuple[Cell, ...]:
        row, signs = self._rows[key], glyphs()
        fold = (signs.right if key in self._folded else signs.down) if row.is_group else " "
        title = Text(
            f"{fold} {'  ' if row.is_member else ''}{visible(row.title)}", style="bold" if row.is_group else ""
        )
        return Text(row.severity, style=SEVERITY_STYLES[row.severity]), title, row.words
