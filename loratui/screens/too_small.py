"""A sentence in the place of a screen that the terminal has no room for."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Static

LEAST = Size(80, 22)
"""A terminal of 80 by 24, less what tmux takes: its status line, and the title of a pane."""


def fits(size: Size) -> bool:
    """Whether the screens have room in a terminal of this size."""
    return size.width >= LEAST.width and size.height >= LEAST.height


class TooSmallScreen(ModalScreen[None]):
    """Lies over whatever is on view, as long as the terminal is too small; what is below stays as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "Quit", id="too_small.quit", tooltip="Leave; captions are saved, and a run goes on")
    ]

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def on_screen_resume(self) -> None:
        self._look(self.app.size)

    def on_resize(self, event: events.Resize) -> None:
        self._look(event.size)

    def _look(self, size: Size) -> None:
        if fits(size):
            if self.is_current:  # not below a dialog, and not a second time
                self.dismiss()
            return
        self.query_one(Static).update(
            f"loratui needs {LEAST.width} columns and {LEAST.height} lines; here are {size.width} and {size.height}.\n"
            "Make the window larger, or the font smaller. Nothing is lost. q leaves."
        )
