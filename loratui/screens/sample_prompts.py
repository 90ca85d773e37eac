"""Which sample pictures a run draws: prompts that suit the kind, and one's own."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from loratui.widgets.row_list import Column, RowList

HINT = "space takes a prompt or leaves it, n writes one of your own, enter is done. None: those that suit the kind."


class SamplePromptsScreen(ModalScreen[list[str] | None]):
    """Offers prompts; dismisses with those that were taken, in their order, or with None for no change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "take", "Take/leave", id="prompts.take", tooltip="Take this prompt, or leave it"),
        Binding("n", "write", "Write one", id="prompts.write", tooltip="Write a prompt of your own"),
        Binding("escape", "step_out", "Leave", id="prompts.leave", tooltip="Leave things as they are"),
    ]

    def __init__(self, offered: Sequence[str], taken: Sequence[str]) -> None:
        super().__init__()
        self._prompts = list(dict.fromkeys([*taken, *offered]))
        self._taken = set(taken)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="sample-prompts") as dialog:
            dialog.border_title = "Sample prompts"
            yield RowList([Column("Drawn", 5), Column("Prompt")], id="prompts")
            yield Input(placeholder="a prompt of your own, then enter", compact=True, id="own")
            yield Static(HINT, classes="hint", markup=False)

    def on_mount(self) -> None:
        self._draw()
        self.query_one(RowList).focus()

    def _draw(self) -> None:
        self.query_one(RowList).show(self._prompts, lambda one: ("yes" if one in self._taken else "-", one))

    def action_take(self) -> None:
        prompt = self.query_one(RowList).key
        if prompt is not None:
            self._taken ^= {prompt}
            self.query_one(RowList).redraw(prompt)

    def action_write(self) -> None:
        self.query_one(Input).focus()

    def action_step_out(self) -> None:
        """Out of the field, then out of the dialog."""
        if self.query_one(Input).has_focus:
            self.query_one(RowList).focus()
        else:
            self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        prompt = event.value.strip()
        if prompt and prompt not in self._prompts:
            self._prompts.append(prompt)
        if prompt:
            self._taken.add(prompt)
            event.input.clear()
        self._draw()
        rows = self.query_one(RowList)
        rows.go_to_key(prompt)
        rows.focus()

    def on_row_list_chosen(self) -> None:
        self.dismiss([prompt for prompt in self._prompts if prompt in self._taken])
