"""The tags of all captions over the screen, where there is no room for them beside the photos."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from loratui.widgets.tag_panel import TagPanel


class TagsScreen(ModalScreen[TagPanel.Picked | None]):
    """Dismisses with the tag or word that was picked, or None."""

    CSS_PATH = "tags.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,t", "leave", "Back", id="tags.leave", tooltip="Back to the captions"),
    ]

    def __init__(self, captions: Sequence[str]) -> None:
        super().__init__()
        self._captions = captions

    def compose(self) -> ComposeResult:
        with Vertical(id="tags-dialog"):
            yield TagPanel()
            yield Static("enter shows who has it   / finds   w tags or words   esc back", classes="hint", markup=False)

    def on_mount(self) -> None:
        panel = self.query_one(TagPanel)
        panel.show(self._captions)
        panel.take_focus()

    def on_tag_panel_picked(self, message: TagPanel.Picked) -> None:
        self.dismiss(message)

    def action_leave(self) -> None:
        self.dismiss(None)
