"""What a run said, the newest line at the bottom; warnings have a sign of their own."""

from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip

from loratui.terminal.glyphs import glyphs
from loratui.widgets.lines import Lines

SIGN_WIDTH = 2
WHEEL_LINES = 3


class LogView(Lines, can_focus=True):
    """Messages, broken into lines. It stays at the end while more come, unless one has gone up."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log-view--message", "log-view--warning"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "go(1)", "Up", show=False, id="log_view.up", tooltip="A line up"),
        Binding("down,j", "go(-1)", "Down", show=False, id="log_view.down", tooltip="A line down"),
        Binding("pageup", "page(1)", "Page up", show=False, id="log_view.page_up", tooltip="A page up"),
        Binding("pagedown", "page(-1)", "Page down", show=False, id="log_view.page_down", tooltip="A page down"),
        Binding("home,g", "go(100_000)", "First", show=False, id="log_view.first", tooltip="The oldest line"),
        Binding(
            "end,G",
            "go(-100_000)",
            "Newest",
            show=False,
            id="log_view.newest",
            tooltip="The newest line",
        ),
    ]

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._messages: tuple[tuple[str, bool], ...] = ()
        self._broken: list[tuple[str, str]] = []
        self._width = 0
        self._up = 0

    def show(self, messages: Iterable[tuple[str, bool]]) -> None:
        """Show these messages, each with whether it is a warning."""
        messages = tuple(messages)
        if messages != self._messages:
            lines = len(self._broken)
            self._messages, self._width = messages, 0
            self._break(self.size.width)
            self._up = min(self._up + len(self._broken) - lines, self._most_up) if self._up and lines else 0
            self.redraw()

    def drawn(self, width: int, height: int) -> list[Strip]:
        self._break(width)
        end = len(self._broken) - self._up
        return [
            Strip([Segment(text, self.get_component_rich_style(f"log-view--{kind}"))])
            for text, kind in self._broken[max(end - height, 0) : end]
        ]

    def action_go(self, up: int) -> None:
        self._up = min(max(self._up + up, 0), self._most_up)
        self.redraw()

    def action_page(self, up: int) -> None:
        self.action_go(up * max(self.size.height - 1, 1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_go(WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_go(-WHEEL_LINES)

    @property
    def _most_up(self) -> int:
        return max(len(self._broken) - self.size.height, 0)

    def _break(self, width: int) -> None:
        """Break the messages into lines of that width, once."""
        if width == self._width or width <= SIGN_WIDTH:
            return
        self._width = width
        self._broken = [
            (f"{glyphs().attention if is_warning and not number else ' '} {line.plain}", _kind(is_warning))
            for message, is_warning in self._messages
            for number, line in enumerate(Text(message).wrap(self.app.console, width - SIGN_WIDTH))
        ]


def _kind(is_warning: bool) -> str:
    return "warning" if is_warning else "message"
