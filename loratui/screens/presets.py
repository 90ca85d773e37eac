"""The presets side by side, each number with where it comes from."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from engine.advice import presets_that_set
from loratui.recipe import KIND, all_settings
from loratui.widgets.row_list import Column, RowList

SUITS = {
    "person": "one face, from 6 to 30 photos",
    "object": "a thing or an animal, seen from all sides",
    "style": "how pictures look, whatever they show",
    "character": "a drawn or made-up figure",
}


class PresetsScreen(ModalScreen[str | None]):
    """Dismisses with the kind that was chosen; None leaves things as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Leave", id="presets.leave", tooltip="Leave things as they are"),
    ]

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="presets") as dialog:
            dialog.border_title = "Presets"
            dialog.border_subtitle = "enter takes it, esc leaves"
            yield RowList([Column("Kind", 11), Column("For")], id="kinds")
            with VerticalScroll(can_focus=False):
                yield Static(id="preset-numbers", markup=False)

    def on_mount(self) -> None:
        kinds = self.query_one(RowList)
        kinds.show(KIND.choices, lambda kind: (kind, SUITS[kind] + (" (now)" if kind == self._kind else "")))
        kinds.go_to_key(self._kind)
        kinds.focus()
        self._draw(self._kind)

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        self._draw(message.key)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        self.dismiss(message.key)

    def _draw(self, kind: str) -> None:
        numbers = Text()
        for setting in all_settings():
            given = presets_that_set(setting.name).get(kind)
            if given:
                numbers.append(f"{setting.key} = {_shown(given[0])}\n", "bold")
                numbers.append(f"  {given[1]}\n" if given[1] else "")
        self.query_one("#preset-numbers", Static).update(numbers)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
