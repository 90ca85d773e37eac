"""What a run warned of, each warning whole."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from loratui.glyphs import glyphs


class WarningsScreen(ModalScreen[None]):
    """The newest one first. count: with those that are not kept any more."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,w", "dismiss", "Back", id="warnings.back", tooltip="Back to the run"),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, warnings: Sequence[str], count: int) -> None:
        super().__init__()
        self._warnings, self._count = warnings, count

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="warnings") as dialog:
            dialog.border_title = f"Warnings: {self._count}"
            dialog.border_subtitle = "esc: back"
            with VerticalScroll():
                sign = glyphs().attention
                yield Static("\n\n".join(f"{sign} {warning}" for warning in reversed(self._warnings)), markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
