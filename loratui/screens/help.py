"""The keys of the screen below, each with what it does."""

from collections.abc import Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from loratui.user.keymap import KeyedAction, key_name


class HelpScreen(ModalScreen[None]):
    """Lists actions in groups, each with a title; any of esc, ?, q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close", tooltip="Back to the screen"),
        Binding("down,j", "scroll(1)", "Down", id="help.down", tooltip="Scroll down"),
        Binding("up,k", "scroll(-1)", "Up", id="help.up", tooltip="Scroll up"),
    ]

    def __init__(self, groups: Sequence[tuple[str, Sequence[KeyedAction]]]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        for title, actions in self._groups:
            table.add_row(Text(title, style="bold underline"), "")
            for action in actions:
                keys = Text(" ".join(map(key_name, action.keys)), style="bold")
                meaning = f": {action.meaning}" if action.meaning else ""
                table.add_row(keys, Text(f"{action.title}{meaning}"))
            table.add_row("", "")
        with VerticalScroll(classes="dialog", id="help") as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = "esc closes"
            yield Static(table)

    def action_scroll(self, by: int) -> None:
        self.query_one("#help").scroll_relative(y=by, animate=False)
