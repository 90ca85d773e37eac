"""A long text to read, above the screen; where something hangs on it, the question whether to go on."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class PageScreen(ModalScreen[bool]):
    """Shows `text`; dismisses with True when the reader wants `action`, and has only to be closed without one."""

    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "answer(False)", "Close", id="page.close", tooltip="Leave things as they are"),
        Binding("y", "answer(True)", "Yes", id="page.yes", tooltip="Do what the button says"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="page.down", tooltip="Scroll down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="page.up", tooltip="Scroll up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="page.page_down", tooltip="A page down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="page.page_up", tooltip="A page up"),
        Binding(
            "left,right", "app.focus_next", "Other button", show=False, id="page.other", tooltip="The other button"
        ),
    ]

    def __init__(self, title: str, text: Text, action: str | None = None) -> None:
        super().__init__()
        self._title, self._text, self._action = title, text, action

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            with VerticalScroll(id="page", can_focus=False):
                yield Static(self._text)
            if self._action:
                with Horizontal():
                    yield Button("Cancel (n)", id="cancel", compact=True)
                    yield Button(Content(f"{self._action} (y)"), id="act", compact=True)
            else:
                dialog.border_subtitle = "esc closes"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Agreeing is offered only where there is something to agree to."""
        return self._action is not None or (action, parameters) != ("answer", (True,))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "act")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)

    def action_scroll(self, by: int) -> None:
        page = self.query_one("#page", VerticalScroll)
        page.scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        page = self.query_one("#page", VerticalScroll)
        page.scroll_relative(y=by * max(page.size.height - 1, 1), animate=False)
