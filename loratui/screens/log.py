"""The log: all that the program said since it was started, with the whole text of an error."""

import time
from collections.abc import Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from curation.text import visible
from loratui.screens.step import StepScreen
from loratui.terminal.glyphs import glyphs
from loratui.user.app_log import LogEntry
from loratui.widgets.row_list import Column, RowList

NOTHING = "Nothing was said yet. Errors and notices appear here, and stay in the file below."


class LogScreen(StepScreen):
    """The newest entry last, and under the list the whole text of the one under the cursor."""

    mode = "log"
    CSS_PATH = "log.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="log.filter", tooltip="Show only entries that hold these words"),
        Binding("y", "copy", "Copy", id="log.copy", tooltip="Copy the whole text of the entry"),
        Binding("Y", "copy_path", "Copy path", id="log.copy_path", tooltip="Copy the path of the log file"),
    ]

    def compose_body(self) -> Iterator:
        yield Input(placeholder="words to look for; esc goes back to the list", id="words", compact=True)
        yield RowList([Column("Time", 8), Column("", 1), Column("What was said")], id="entries", classes="panel")
        with VerticalScroll(id="whole", classes="panel", can_focus=True):
            yield Static(markup=False)

    def on_mount(self) -> None:
        self.query_one("#entries").border_title = "Log"
        self.query_one("#whole").border_title = "The whole of it"
        self.query_one(Input).display = False
        self.query_one(RowList).focus()

    def draw(self) -> None:
        words = self.query_one(Input).value.casefold()
        entries = [
            (str(number), entry)
            for number, entry in enumerate(self._loratui.app_log.entries)
            if words in entry.whole.casefold()
        ]
        self._shown = dict(entries)
        rows = self.query_one(RowList)
        rows.border_subtitle = visible(str(self._loratui.app_log.path)).replace("[", r"\[")
        was_last = rows.row >= len(rows.keys) - 1
        rows.show(self._shown, self._cells)
        if was_last:
            rows.go_to(len(entries) - 1)
        self._draw_whole()

    def _cells(self, key: str) -> tuple[str, str, str]:
        entry = self._shown[key]
        sign = {"information": glyphs().open, "warning": glyphs().attention, "error": glyphs().blocked}[entry.severity]
        return time.strftime("%H:%M:%S", time.localtime(entry.time)), sign, entry.text

    def _entry(self) -> LogEntry | None:
        return self._shown.get(self.query_one(RowList).key or "")

    def _draw_whole(self) -> None:
        entry = self._entry()
        lines = [visible(line) for line in entry.whole.splitlines()] if entry else [NOTHING]
        self.query_one("#whole Static", Static).update("\n".join(lines))

    def on_row_list_highlighted(self) -> None:
        self._draw_whole()

    def on_row_list_chosen(self) -> None:
        self.query_one("#whole").focus()

    def action_filter(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def on_input_changed(self) -> None:
        self.draw()

    def on_input_submitted(self) -> None:
        self.action_leave_field()

    def action_leave_field(self) -> None:
        field = self.query_one(Input)
        field.display = bool(field.value)
        self.query_one(RowList).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "copy":
            return bool(self.is_mounted and self.query(RowList) and self.query_one(RowList).key)
        return super().check_action(action, parameters)

    def action_copy(self) -> None:
        if entry := self._entry():
            self.app.copy_to_clipboard(entry.whole)

    def action_copy_path(self) -> None:
        self.app.copy_to_clipboard(str(self._loratui.app_log.path))
