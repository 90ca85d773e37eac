"""Captions: one photo after another, its picture and its words; nothing that was typed is lost."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from curation import journal
from curation.dataset import Dataset, Photo, open_dataset
from curation.entries import Entry
from curation.errors import StatedError
from curation.text import counted, visible
from engine.plan import tokenizer_file
from loratui.caption_states import STATES, CaptionReader, Shown, State, shown_in_words
from loratui.jobs import Job
from loratui.project import Project
from loratui.saving import Saved
from loratui.screens.step import StepScreen
from loratui.widgets.caption_area import TRIGGER_STYLE, CaptionArea
from loratui.widgets.picture import PictureView
from loratui.widgets.row_list import Cell, Column, RowList

IDLE_SECONDS = 2.0
BUSY_SECONDS = 15.0
"""Who types on without a rest has it saved so often."""
COUNTED_AT_ONCE = 500
"""Captions whose tokens are counted between two keystrokes; more are counted in the background."""


class CaptionsScreen(StepScreen):
    """The third step. Captions are saved when one goes on to another photo, leaves, or rests for two seconds."""

    mode = "captions"
    CSS_PATH = "captions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "e",
            "edit",
            "Edit",
            id="captions.edit",
            tooltip="Write the caption, also with enter; esc or tab goes back to the list",
        ),
        Binding(
            "n",
            "next_empty",
            "Next without",
            id="captions.next_empty",
            tooltip="Go to the next photo without a caption of its own",
        ),
        Binding(
            "slash",
            "filter",
            "Filter",
            id="captions.filter",
            tooltip="Show only photos whose name or caption holds a text; esc shows all again",
        ),
        Binding(
            "f",
            "next_state",
            "Which photos",
            id="captions.next_state",
            show=False,
            tooltip="Show only those that are left out, not saved, without a caption, too long, without the trigger "
            "word, or written, and then all again",
        ),
        *StepScreen.BINDINGS,  # a key that a subclass binds is bound there alone
        Binding("escape", "show_all", "Show all", id="captions.show_all", show=False, tooltip="End the filter"),
        Binding("u", "undo", "Undo", id="captions.undo", show=False, tooltip="Take back the last edit of this folder"),
        Binding("U", "redo", "Redo", id="captions.redo", show=False, tooltip="Make the edit again that was undone"),
        Binding("space", "mark", "Mark", id="captions.mark", show=False, tooltip="For batch edits, models and $EDITOR"),
        Binding("y", "copy", "Copy", id="captions.copy", show=False, tooltip="Copy the caption to the clipboard"),
        Binding(
            "ctrl+s",
            "save",
            "Save",
            id="captions.save",
            show=False,
            tooltip="Save now; captions also save by themselves",
        ),
        Binding(
            "ctrl+r,r",
            "read_again",
            "Read again",
            id="captions.read_again",
            show=False,
            tooltip="Read the captions on disk again; what was typed stays",
        ),
    ]

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.shown = Shown()
        self.marked: set[str] = set()
        self.name_in_editor: str | None = None
        self._text_as_shown = ""
        self._dataset: Dataset | None = None
        self._photos: dict[str, Photo] = {}
        self._reader = _reader_for(project)
        self._idle: Timer | None = None
        self._saved_at = 0.0

    def compose_body(self) -> Iterator:
        with Horizontal(classes="panes"):
            with Vertical(id="list", classes="panel"):
                yield Input(id="filter", placeholder="text in a name or caption", compact=True)
                yield RowList([Column("Photo", 20), Column("State", 10), Column("Caption")], id="captions")
            with Vertical(id="editor"):
                with Vertical(id="picture", classes="panel"):
                    yield PictureView()
                with Vertical(id="writing"):
                    with Vertical(id="words", classes="panel"):
                        yield CaptionArea(self._turn)
                        yield Static(id="length", markup=False)
                    yield Static(id="said", classes="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self._list.focus()

    # What is shown

    @property
    def _list(self) -> RowList:
        return self.query_one("#captions", RowList)

    @property
    def _area(self) -> CaptionArea:
        return self.query_one(CaptionArea)

    @property
    def photos(self) -> Mapping[str, Photo]:
        """All photos, by name."""
        if self._dataset is not self.project.dataset:
            self._dataset = self.project.dataset
            self._photos = {photo.name: photo for photo in self._dataset.photos} if self._dataset else {}
        return self._photos

    def caption(self, name: str) -> str:
        """A photo's caption, as it was typed or is on disk."""
        return self.project.unsaved.get(name, self.photos[name].caption or "")

    def draw(self) -> None:
        config = self.project.recipe.compose().config
        if config is not self._reader.config:
            self._reader = _reader_for(self.project)
        self._area.read_only = not self.photos
        self._area.highlight(self._reader.trigger_pattern)
        prompt = config.concept.instance_prompt
        self._area.placeholder = f"empty: trains with the instance prompt, {visible(prompt)!r}" if prompt else "empty"
        if not self.project.dataset:
            self._say("No photos are open: press 1 and name their folder.")
        self.marked &= self.photos.keys()
        self.fill_list()

    def fill_list(self) -> None:
        """Show the photos that the filter lets through."""
        unsaved = self.project.unsaved
        names = [name for name, photo in self.photos.items() if self.shown.includes(photo, self._reader, unsaved)]
        self._list.show(names, self._cells)
        self._list.mark(self.marked)
        marked = f", {len(self.marked)} marked" if self.marked else ""
        title = shown_in_words(self.shown, len(names), len(self.photos)) + marked if self.photos else "Photos"
        self.query_one("#list").border_title = Content(visible(title))
        self.show_row()
        self.refresh_bindings()

    def _cells(self, name: str) -> tuple[Cell, Cell, Cell]:
        state = self._reader.state(self.photos[name], self.project.unsaved)
        caption = Text(visible(self.caption(name)[:500]))  # far more than any list is wide
        caption.highlight_regex(self._reader.trigger_pattern, TRIGGER_STYLE)
        return f"* {name}" if name in self.marked else name, state, caption

    def show_row(self) -> None:
        """Show the photo under the list's cursor, and its caption in the editor."""
        name = self._list.key
        area = self._area
        caption = self.caption(name) if name else ""
        if name != self.name_in_editor or caption != area.text:
            with area.prevent(TextArea.Changed):
                area.load_text(caption)
                area.move_cursor(area.document.end)
            self.query_one("#words").border_title = Content(visible(name) if name else "Caption")
        self.name_in_editor, self._text_as_shown = name, area.text
        self.query_one(PictureView).show(self.photos[name].path if name else None)
        self._show_length()

    def _show_length(self) -> None:
        text, line = self._area.text, self.query_one("#length", Static)
        words = [self._reader.length_in_words(text)] if text.strip() else []
        if text.strip() and self._reader.lacks_trigger(text):
            words.append(f"without the trigger word {' or '.join(map(visible, self._reader.triggers))}")
        said = "; ".join(words)
        if line.content != said:
            line.update(said)
            line.set_class(self._reader.is_too_long(text) or len(words) > 1, "-wrong")

    def _say(self, text: str, wrong: bool = False) -> None:
        said = self.query_one("#said", Static)
        if said.content != visible(text):
            said.update(visible(text))
            said.set_class(wrong, "-wrong")

    # Going from photo to photo

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        if message.row_list is self._list:
            self._go_to_row()

    def _go_to_row(self) -> None:
        """Save the caption that was edited, and turn to the photo under the cursor."""
        if self._list.key != self.name_in_editor:
            self.action_save()
            self.show_row()

    def _turn(self, by: int) -> None:
        self._list.go_to(self._list.row + by)
        self._go_to_row()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        if message.row_list is self._list:
            self.action_edit()

    def action_edit(self) -> None:
        self._go_to_row()
        self._area.focus()

    def action_leave_field(self) -> None:
        self._list.focus()

    def action_next_empty(self) -> None:
        """Move to the next photo of the list, after the one shown, that has no caption."""
        names, row = self._list.keys, self._list.row
        for name in (*names[row + 1 :], *names[: row + 1]):
            if not self.caption(name) and self.photos[name].excluded is None:
                self._list.go_to_key(name)
                self._go_to_row()
                return
        self._say("Every photo of the list has a caption.")

    def action_mark(self) -> None:
        name = self._list.key
        if name is None:
            return
        self.marked ^= {name}
        self._list.mark(self.marked)
        self._list.redraw(name)
        marked = f", {len(self.marked)} marked" if self.marked else ""
        title = shown_in_words(self.shown, len(self._list.keys), len(self.photos)) + marked
        self.query_one("#list").border_title = Content(visible(title))
        self._list.action_move(1)

    def action_copy(self) -> None:
        self._go_to_row()
        self.app.copy_to_clipboard(self._area.text)
        self._say("Copied the caption.")

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
            self._list.focus()

    def on_descendant_blur(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value) or field.has_focus

    def action_next_state(self) -> None:
        states: tuple[State | None, ...] = (None, *STATES)
        self.shown = replace(self.shown, state=states[(states.index(self.shown.state) + 1) % len(states)])
        self._refill()

    def action_show_all(self) -> None:
        self.shown = Shown()
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
                self._reader.is_too_long(caption)
                job.progress(done, len(captions))

        self.start_job("Counting tokens", count, lambda _: self.fill_list())

    # Saving

    def note_edit(self) -> None:
        """Hand what stands in the editor over to the project, if it was edited."""
        name, text = self.name_in_editor, self._area.text
        # The area splits lines in its own way, so only what differs from what it first showed is an edit.
        if name and (text != self._text_as_shown or name in self.project.unsaved):
            self.project.unsaved[name] = text

    def on_text_area_changed(self) -> None:
        name = self.name_in_editor
        was_unsaved = name in self.project.unsaved
        self.note_edit()
        self._show_length()
        if name and not was_unsaved:  # a list's line a keystroke would be many bytes a keystroke
            self._list.redraw(name)
            self.draw_standings()
            self._saved_at = time.monotonic()
        if self._idle and time.monotonic() - self._saved_at < BUSY_SECONDS:
            self._idle.stop()
            self._idle = None
        if not self._idle:
            self._idle = self.set_timer(IDLE_SECONDS, self.action_save)

    def action_save(self) -> None:
        """Write what was typed, in the background."""
        self._stop_idling()
        self.note_edit()
        if self.project.begin_saving():
            self._await_saved()

    @work(exit_on_error=False)
    async def _await_saved(self) -> None:
        saving = self.project.saving
        if saving:
            await asyncio.shield(asyncio.wrap_future(saving))
        self.note_edit()
        saved = self.project.take_saved()
        if saved:
            self._tell_saved(saved)
            if self.project.unsaved and not saved.refused and not self._idle:
                self.action_save()

    def save_now(self) -> StatedError | None:
        """Write what was typed before anything else happens; returns why some of it is refused."""
        self._stop_idling()
        self.note_edit()
        unsaved, refused = list(self.project.unsaved), None
        try:
            self.project.save_captions()
        except StatedError as error:
            refused = error
        if unsaved:
            self._note_saved(unsaved)
        if refused:
            self._tell_refused(refused)
        return refused

    def _stop_idling(self) -> None:
        if self._idle:
            self._idle.stop()
            self._idle = None

    def _tell_saved(self, saved: Saved) -> None:
        self._note_saved([*saved.captions, *self.project.unsaved])
        if saved.refused:
            self._tell_refused(saved.refused)
        else:
            self._say(f"Saved {counted(len(saved.captions), 'caption')}.")

    def _tell_refused(self, error: StatedError) -> None:
        self._say(f"Not saved, but kept. {error.problem} {error.remedy} ctrl+r reads the folder again.", wrong=True)

    def _note_saved(self, names: Iterable[str]) -> None:
        self._saved_at = time.monotonic()
        if self.name_in_editor and self.name_in_editor not in self.project.unsaved:
            self._text_as_shown = self._area.text
        self._list.redraw(*names)
        self.draw_standings()

    def on_screen_suspend(self) -> None:
        refused = self.save_now()
        if refused and not isinstance(self.app.screen, ModalScreen):  # below a dialog it is still to be read here
            self.tell(refused)

    # The folder

    def action_read_again(self) -> None:
        self.note_edit()
        try:
            kept = self.project.read_again()
        except StatedError as error:
            self.tell(error)
            return
        self.draw_standings()
        self.draw()
        self.tell_kept(kept)
        self._say("Read the folder again.")

    def tell_kept(self, file: Path | None) -> None:
        """Say where captions of photos that are gone went."""
        if file:
            self.notify(
                f"Their captions are kept in {visible(str(file))}.",
                title="Photos with captions that were not saved are gone.",
                severity="warning",
                timeout=10,
                markup=False,
            )

    def action_undo(self) -> None:
        self._go_through_journal("Taking back", journal.undo, "Took back")

    def action_redo(self) -> None:
        self._go_through_journal("Making again", journal.redo, "Made again")

    def _go_through_journal(self, label: str, do: Callable[[Path], Entry], done: str) -> None:
        dataset = self.project.dataset
        if dataset is None or self.save_now():  # what was typed is a step of the journal, too
            return
        self.change_folder(label, lambda: f"{done}: {do(dataset.root).summary}.")

    def change_folder(self, label: str, change: Callable[[], str]) -> None:
        """Let `change` write into the folder in the background; it returns what it did, in words."""
        dataset = self.project.dataset
        assert dataset is not None

        def work(job: Job) -> tuple[str, Dataset]:
            with self.project.shared_folder():
                return change(), open_dataset(dataset.root, dataset.caption_column)

        self.start_job(label, work, self._take_changed)

    def _take_changed(self, changed: tuple[str, Dataset]) -> None:
        said, dataset = changed
        self.take_folder(dataset)
        self._say(said)

    def take_folder(self, dataset: Dataset) -> None:
        """Go on with the folder as something else of ours has left it; what was typed stays."""
        if self.project.dataset is None or self.project.dataset.root != dataset.root:
            return
        self.note_edit()
        kept = self.project.go_on_with(dataset)
        self.draw_standings()
        self.draw()
        self.tell_kept(kept)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a field, keys are letters."""
        in_field = isinstance(self.focused, Input | TextArea)
        if action == "show_all":
            return not in_field and self.shown != Shown() and not self.jobs
        if action in {"edit", "next_empty", "filter", "next_state", "undo", "redo", "mark", "copy"}:
            return not in_field and bool(self.photos)
        return super().check_action(action, parameters)


def _reader_for(project: Project) -> CaptionReader:
    config = project.recipe.compose().config
    return CaptionReader(config, tokenizer_file(config.model))
