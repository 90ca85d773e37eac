"""Captions: one photo after another, or many at once; nothing that was typed is lost."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input, TextArea

from curation import journal
from curation.captions import edited
from curation.dataset import Dataset, open_dataset, save_captions
from curation.entries import Entry
from curation.errors import CurationError, StatedError
from curation.text import counted
from loratui.captions.auto_caption import AutoCaption, caption_in_background
from loratui.captions.caption_states import STATES, Shown, State
from loratui.captions.own_editor import edit_captions, editor_command
from loratui.jobs import Job
from loratui.photos.concept import caption_template, caption_words
from loratui.screens.auto_caption import AutoCaptionScreen
from loratui.screens.batch_edit import Batch, BatchEditScreen
from loratui.screens.caption_editing import CaptionEditing
from loratui.screens.tags import TagsScreen
from loratui.widgets.tag_panel import TagPanel

COUNTED_AT_ONCE = 500
"""Captions whose tokens are counted between two keystrokes; more are counted in the background."""
CAPTIONING = "Captioning"
IN_LIST = {
    *("edit", "mark", "copy", "own_editor", "undo", "redo"),
    *("next_empty", "filter", "next_state", "show_all", "tags"),
    *("batch_edit", "auto_caption"),
}
"""Actions whose keys are letters in a field."""


class CaptionsScreen(CaptionEditing):
    """The third step."""

    mode = "captions"
    CSS_PATH = "captions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit", id="captions.edit", tooltip="Write the caption; esc or tab goes back to the list"),
        Binding("n", "next_empty", "Next without", id="captions.next_empty", tooltip="Next photo without a caption"),
        Binding(
            "slash",
            "filter",
            "Filter",
            id="captions.filter",
            tooltip="Show only photos whose name or caption holds a text; esc ends it",
        ),
        Binding("b", "batch_edit", "Batch edit", id="captions.batch_edit", tooltip="One edit for many, seen before"),
        Binding("a", "auto_caption", "Auto-caption", id="captions.auto_caption", tooltip="Let a model write captions"),
        Binding(
            "f", "next_state", "Which photos", id="captions.next_state", show=False, tooltip="Only those of a state"
        ),
        Binding("F", "show_all", "Show all", id="captions.show_all", show=False, tooltip="End the filter, as esc does"),
        Binding("t", "tags", "Tags", id="captions.tags", show=False, tooltip="How often each tag or word is said"),
        Binding("space", "mark", "Mark", id="captions.mark", show=False, tooltip="For batch edits, models and $EDITOR"),
        Binding("E", "own_editor", "$EDITOR", id="captions.own_editor", show=False, tooltip="Write it in your editor"),
        Binding("u", "undo", "Undo", id="captions.undo", show=False, tooltip="Take back the last edit of this folder"),
        Binding("U", "redo", "Redo", id="captions.redo", show=False, tooltip="Make the edit again that was undone"),
        Binding("y", "copy", "Copy", id="captions.copy", show=False, tooltip="Copy the caption to the clipboard"),
        Binding("w,ctrl+s", "save", "Save", id="captions.save", show=False, tooltip="Captions also save by themselves"),
        Binding(
            "ctrl+r,r",
            "read_again",
            "Read again",
            id="captions.read_again",
            show=False,
            tooltip="Read the captions on disk again; what was typed stays",
        ),
    ]

    class FolderChanged(Message, bubble=False):
        """Something of ours has written into the folder, which was read again."""

        def __init__(self, dataset: Dataset) -> None:
            super().__init__()
            self.dataset = dataset

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, CaptionsScreen.FolderChanged)

    def __init__(self) -> None:
        super().__init__()
        self._batch_words: dict[str, str] = {}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a field, keys are letters; without photos there is nothing to do."""
        in_field = isinstance(self.focused, Input | TextArea)
        if action == "leave_field":
            return in_field or (self.shown != Shown() and not self.jobs)
        if action not in IN_LIST:
            return super().check_action(action, parameters)
        if action == "show_all":
            return not in_field and self.shown != Shown()
        if action == "auto_caption" and any(job.label == CAPTIONING for job in self.jobs):
            return False
        return not in_field and bool(self.photos)

    # In the list

    def action_next_empty(self) -> None:
        """Move to the next photo of the list, after the one shown, that has no caption."""
        names, row = self.photo_list.keys, self.photo_list.row
        for name in (*names[row + 1 :], *names[: row + 1]):
            if not self.caption(name) and self.photos[name].excluded is None:
                self.photo_list.go_to_key(name)
                self.go_to_row()
                return
        self.say("Every photo of the list has a caption.")

    def action_mark(self) -> None:
        name = self.photo_list.key
        if name:
            self.marked ^= {name}
            self.photo_list.mark(self.marked)
            self.show_title()
            self.photo_list.action_move(1)

    def action_copy(self) -> None:
        self.go_to_row()
        self.app.copy_to_clipboard(self.area.text)
        self.say("Copied the caption.")

    # Filtering

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.shown = replace(self.shown, text=event.value)
            self._refill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            self.action_leave_field()

    def action_leave_field(self) -> None:
        """Go back to the list, and from there to all photos."""
        if not isinstance(self.focused, Input | TextArea):
            self.action_show_all()
            return
        self.photo_list.focus()
        field = self.query_one("#filter", Input)
        field.display = bool(field.value)

    def action_next_state(self) -> None:
        states: tuple[State | None, ...] = (None, *STATES)
        self.shown = replace(self.shown, state=states[(states.index(self.shown.state) + 1) % len(states)])
        self._refill()

    def action_show_all(self) -> None:
        self.shown = Shown()
        with self.prevent(Input.Changed):
            self.query_one("#filter", Input).value = ""
        self.query_one("#filter").display = False
        self._refill()

    def _refill(self) -> None:
        self.action_save()
        if self.shown.state != "too long" or len(self.photos) <= COUNTED_AT_ONCE:
            self.fill_list()
            return
        captions = [self.caption(name) for name in self.photos]

        def count(job: Job) -> None:
            for done, caption in enumerate(captions, start=1):
                self.reader.is_too_long(caption)
                job.progress(done, len(captions))

        self.start_job("Counting tokens", count, lambda _: self.fill_list())

    def action_tags(self) -> None:
        if self.has_class("-wide"):
            self.query_one("#tags", TagPanel).take_focus()
        else:
            self.app.push_screen(TagsScreen(self.captions_that_train()), self._show_picked)

    def on_tag_panel_picked(self, message: TagPanel.Picked) -> None:
        self._show_picked(message)

    def _show_picked(self, picked: TagPanel.Picked | None) -> None:
        if picked:
            self.shown = replace(self.shown, part=picked.part, unit=picked.unit)
            self.photo_list.focus()
            self._refill()

    # Many at once

    def _scopes(self) -> dict[str, list[str]]:
        """The names of the photos that an edit may be for, by what they are called; those that matter most first."""
        saved = [name for name in self.photos if name not in self.project.unsaved]
        listed = frozenset(self.photo_list.keys)
        scopes = {
            "marked": [name for name in saved if name in self.marked],
            "listed": [name for name in saved if name in listed] if self.shown != Shown() else [],
        }
        return {name: names for name, names in scopes.items() if names} | {"all": saved}

    def action_batch_edit(self) -> None:
        if self.save_now():
            self.notify("Captions that could not be saved are left as they are.", severity="warning")
        dataset = self.project.dataset
        if dataset:
            scopes = {f"{counted(len(names), 'photo')}, {name}": names for name, names in self._scopes().items()}
            words = caption_words(self.project.recipe)
            begun = {
                "template": caption_template(dataset.root, self.project.recipe),
                "trigger": words.trigger,
                "class noun": words.class_noun,
            }
            self.app.push_screen(BatchEditScreen(dataset, scopes, begun | self._batch_words), self._apply)

    def _apply(self, batch: Batch | None) -> None:
        if batch is None:
            return
        self._batch_words = dict(batch.words)

        def apply(dataset: Dataset) -> str:
            now = {photo.name: photo.caption for photo in dataset.photos}
            if any(now.get(change.photo) != change.before for change in batch.changes):
                raise CurationError("Captions were changed meanwhile.", "Look at the changes again: press b.")
            save_captions(dataset, edited(batch.changes), batch.summary)
            return f"{batch.summary}. u takes it back."

        self._change_folder("Writing captions", apply)

    def action_auto_caption(self) -> None:
        self.save_now()
        dataset = self.project.dataset
        if dataset:
            without = [n for n, photo in self.photos.items() if photo.excluded is None and not self.caption(n).strip()]
            scopes = {f"{name}, over what is there": (names, True) for name, names in self._scopes().items()}
            recipe = self.project.recipe
            template, words = caption_template(dataset.root, recipe), caption_words(recipe)
            asked = AutoCaptionScreen(dataset, template, words, {"without a caption": (without, False)} | scopes)
            self.app.push_screen(asked, self._begin_captioning)

    def _begin_captioning(self, wanted: AutoCaption | None) -> None:
        if wanted is None:
            return

        def captions_came() -> None:
            with contextlib.suppress(CurationError):
                self.post_message(self.FolderChanged(open_dataset(wanted.dataset.root, wanted.dataset.caption_column)))

        def work(job: Job) -> str:
            with self.project.shared_folder():
                return caption_in_background(wanted, job, captions_came)

        self.start_job(CAPTIONING, work, self.say)

    def on_captions_screen_folder_changed(self, message: FolderChanged) -> None:
        self.take_folder(message.dataset)

    def action_own_editor(self) -> None:
        """Give the marked captions, or else the one in the editor, to the user's own editor."""
        self.go_to_row()
        self.note_edit()
        names = [name for name in self.photos if name in self.marked] or [self.name_in_editor]
        captions = {name: self.caption(name) for name in names if name}
        try:
            command = editor_command()
            with self.app.suspend():
                written = edit_captions(command, captions)
        except SuspendNotSupported:
            self.tell(StatedError("This terminal cannot be lent to another program.", "Write the caption here."))
        except StatedError as error:
            self.tell(error)
        else:
            self.take_written(written)

    def take_written(self, written: dict[str, str]) -> None:
        """Take captions, by photo name, as if they had been typed here."""
        self.project.unsaved |= {name: caption for name, caption in written.items() if name in self.photos}
        self.fill_list()  # the editor shows its caption before anything is noted from it
        self.action_save()

    # The folder

    def action_read_again(self) -> None:
        self.note_edit()
        try:
            kept = self.project.read_again()
        except StatedError as error:
            self.tell(error)
            return
        self.show_folder(kept)
        self.say("Read the folder again.")

    def action_undo(self) -> None:
        self._go_through_journal("Taking back", journal.undo, "Took back")

    def action_redo(self) -> None:
        self._go_through_journal("Making again", journal.redo, "Made again")

    def _go_through_journal(self, label: str, do: Callable[[Path], Entry], done: str) -> None:
        if not self.save_now():  # what was typed is a step of the journal, too
            self._change_folder(label, lambda dataset: f"{done}: {do(dataset.root).summary}.")

    def _change_folder(self, label: str, change: Callable[[Dataset], str]) -> None:
        """Let `change` write into the folder in the background; it returns what it did, in words."""
        dataset = self.project.dataset
        if dataset is None:
            return
        root, column = dataset.root, dataset.caption_column

        def work(job: Job) -> tuple[str, Dataset]:
            with self.project.shared_folder():
                return change(open_dataset(root, column)), open_dataset(root, column)

        self.start_job(label, work, self._take_changed)

    def _take_changed(self, changed: tuple[str, Dataset]) -> None:
        said, dataset = changed
        self.take_folder(dataset)
        self.say(said)
