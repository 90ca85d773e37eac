"""A field for the path of a folder: tab completes it, and what it may become is listed below."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from loratui.jobs import Job, run_in_background
from loratui.photos.path_completion import Completion, begun_anew, complete
from loratui.widgets.row_list import Column, RowList

LOOK_SECONDS = 0.15
"""After the last key, so that a slow disk is not asked for each letter."""


class PathInput(Input):
    """Tab and the arrow down belong to the candidates here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", id="path.complete", tooltip="Type on, as far as all candidates agree"),
        Binding("down", "candidates", "Candidates", id="path.candidates", tooltip="Go to the list; enter takes one"),
    ]

    class CompletionWanted(Message):
        """The user wants the text typed on."""

    class ListWanted(Message):
        """The user wants to choose from the list."""

    def action_complete(self) -> None:
        self.post_message(self.CompletionWanted())

    def action_candidates(self) -> None:
        self.post_message(self.ListWanted())


class PathField(Vertical):
    """Input and candidates. Looking at the disk never holds up a key."""

    class Submitted(Message):
        """Enter was pressed.  text: what stands in the field."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Completed(Message, bubble=False):
        """The disk was looked at.  typed: for which text."""

        def __init__(self, typed: str, completion: Completion) -> None:
            super().__init__()
            self.typed, self.completion = typed, completion

    def on_mount(self) -> None:
        self.border_title = "Open a folder"
        self._completion: Completion | None = None
        self._timer = self.set_timer(LOOK_SECONDS, self._look, pause=True)

    def begin(self, text: str = "") -> None:
        """Offer the field with `text` in it."""
        if not self.children:  # not before it is asked for: the first screen is drawn the sooner
            hint = "path of a folder of photos; tab completes, enter opens"
            field = PathInput(placeholder=hint, compact=True, select_on_focus=False)
            self.mount(field, RowList([Column("Folders that begin so")]))
        field = self.query_one(PathInput)
        field.value = text
        field.cursor_position = len(text)
        field.focus()
        self._look()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._timer.stop()
        self._timer = self.set_timer(LOOK_SECONDS, self._look)
        path = begun_anew(event.value)
        if path != event.value:
            before = event.input.cursor_position
            event.input.value = path
            event.input.cursor_position = max(before - len(event.value) + len(path), 0)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Submitted(begun_anew(event.value.strip())))

    def on_path_input_completion_wanted(self) -> None:
        self._look(and_type=True)

    def on_path_input_list_wanted(self) -> None:
        if self.query_one(RowList).keys:
            self.query_one(RowList).focus()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        parent, slash, _ = self.query_one(PathInput).value.rpartition("/")
        self.begin(f"{parent}{slash}{event.key}/")

    def on_row_list_highlighted(self, event: RowList.Highlighted) -> None:
        event.stop()

    def _look(self, and_type: bool = False) -> None:
        typed = self.query_one(PathInput).value
        run_in_background(
            lambda _: complete(typed), Job("Completing"), lambda completion, _: self._hear(typed, completion, and_type)
        )

    def _hear(self, typed: str, completion: Completion | None, and_type: bool) -> None:
        if completion is not None:
            self.post_message(self.Completed(typed if and_type else "", completion))

    def on_path_field_completed(self, message: Completed) -> None:
        field = self.query_one(PathInput)
        if message.typed and message.typed == field.value:
            field.value = message.completion.text
            field.cursor_position = len(field.value)
        if message.completion != self._completion:
            self._completion = message.completion
            self.query_one(RowList).show(message.completion.folders, lambda name: (f"{name}/",))
