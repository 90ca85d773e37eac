"""A list of photos and the editor of one caption: what is typed is kept at once, and soon saved."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.text import Text
from textual import work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from curation.dataset import Dataset, Photo
from curation.errors import StatedError
from curation.text import counted, visible
from engine.plan import tokenizer_file
from loratui.captions.caption_states import CaptionReader, Shown, shown_in_words
from loratui.captions.saving import Saved
from loratui.project import Project
from loratui.screens.step import StepScreen
from loratui.terminal.glyphs import glyphs
from loratui.widgets.caption_area import TRIGGER_STYLE, CaptionArea
from loratui.widgets.picture import PictureView
from loratui.widgets.row_list import Cell, Column, RowList
from loratui.widgets.tag_panel import TagPanel

IDLE_SECONDS = 2.0
BUSY_SECONDS = 15.0
"""Who types on without a rest has it saved so often."""
LONGEST_SHOWN = 500
"""Characters of a caption that a line of the list is made of: more than any is wide."""


class CaptionEditing(StepScreen):
    """Captions are saved when one goes on to another photo, leaves, or rests for two seconds.

    shown: which photos the list shows.  marked: the names of those that were marked.  name_in_editor: the photo whose
    caption stands in the editor; it follows the list's cursor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()
        self.marked: set[str] = set()
        self.name_in_editor: str | None = None
        self.reader = _reader_for(self.project)
        self._text_as_shown = ""
        self._dataset: Dataset | None = None
        self._photos: dict[str, Photo] = {}
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
                        yield Static(id="name", markup=False)
                        yield CaptionArea(self.turn)
                        yield Static(id="length", markup=False)
                    yield Static(id="said", classes="hint", markup=False)
            yield TagPanel(id="tags")

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.photo_list.focus()

    # What is shown

    @property
    def photo_list(self) -> RowList:
        """The photos."""
        return self.query_one("#captions", RowList)

    @property
    def area(self) -> CaptionArea:
        """The editor of one caption."""
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

    def captions_that_train(self) -> tuple[str, ...]:
        """Those of the photos that are not left out."""
        return tuple(self.caption(name) for name, photo in self.photos.items() if photo.excluded is None)

    def draw(self) -> None:
        config = self.project.recipe.compose().config
        if config is not self.reader.config:
            self.reader = _reader_for(self.project)
        self.area.read_only = not self.photos
        self.area.highlight(self.reader.trigger_pattern)
        prompt = config.concept.instance_prompt
        self.area.placeholder = f"empty: trains with the instance prompt, {visible(prompt)!r}" if prompt else "empty"
        if not self.project.dataset:
            self.say("No photos are open: press 1 and name their folder.")
        self.marked &= self.photos.keys()
        self.fill_list()

    def fill_list(self) -> None:
        """Show the photos that the filter lets through, and in any case the one whose caption is being written."""
        written = self.name_in_editor if self.area.has_focus else None
        unsaved = self.project.unsaved
        self.photo_list.show(
            (n for n, photo in self.photos.items() if n == written or self.shown.includes(photo, self.reader, unsaved)),
            self._cells,
        )
        self.photo_list.mark(self.marked)
        self.show_title()
        self.show_row()
        self._show_tags()
        self.refresh_bindings()

    def show_title(self) -> None:
        """Say how many photos the list shows, and which."""
        marked = f", {len(self.marked)} marked" if self.marked else ""
        title = shown_in_words(self.shown, len(self.photo_list.keys), len(self.photos)) + marked
        self.query_one("#list").border_title = Content(visible(title) if self.photos else "Photos")

    def _cells(self, name: str) -> tuple[Cell, Cell, Cell]:
        state = self.reader.state(self.photos[name], self.project.unsaved)
        caption = Text(visible(self.caption(name)[:LONGEST_SHOWN]))
        caption.highlight_regex(self.reader.trigger_pattern, TRIGGER_STYLE)
        return f"{glyphs().marked} {name}" if name in self.marked else name, state, caption

    def show_row(self) -> None:
        """Show the photo under the list's cursor, and its caption in the editor."""
        name, area = self.photo_list.key, self.area
        caption = self.caption(name) if name else ""
        if name != self.name_in_editor or caption != area.text:
            with area.prevent(TextArea.Changed):
                area.load_text(caption)
                area.move_cursor(area.document.end)
            self.query_one("#name", Static).update(visible(name) if name else "", layout=False)
        self.name_in_editor, self._text_as_shown = name, area.text
        self.query_one(PictureView).show(self.photos[name].path if name else None)
        self._show_length()

    def _show_length(self) -> None:
        text, line = self.area.text, self.query_one("#length", Static)
        words = [self.reader.length_in_words(text)] if text.strip() else []
        if text.strip() and self.reader.lacks_trigger(text):
            words.append(f"lacks the trigger word {' or '.join(map(visible, self.reader.triggers))}")
        said = "; ".join(words)
        if line.content != said:
            line.update(said, layout=False)  # anew laid out, the screen would be sent anew
            line.set_class(self.reader.is_too_long(text) or len(words) > 1, "-wrong")

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_tags)

    def _show_tags(self) -> None:
        if self.has_class("-wide"):
            self.query_one("#tags", TagPanel).show(self.captions_that_train())

    def say(self, text: str, wrong: bool = False) -> None:
        """Tell below the editor what was done."""
        said = self.query_one("#said", Static)
        if said.content != visible(text):
            said.update(visible(text))
            said.set_class(wrong, "-wrong")

    # Going from photo to photo

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        if message.row_list is self.photo_list:
            self.go_to_row()

    def go_to_row(self) -> None:
        """Save the caption that was edited, and turn to the photo under the cursor."""
        if self.photo_list.key != self.name_in_editor:
            self.action_save()
            self.show_row()

    def turn(self, by: int) -> None:
        """Go on to another photo, so many rows away."""
        self.photo_list.go_to(self.photo_list.row + by)
        self.go_to_row()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        if message.row_list is self.photo_list:
            self.action_edit()

    def action_edit(self) -> None:
        self.go_to_row()
        self.area.focus()

    def action_leave_field(self) -> None:
        self.photo_list.focus()

    # Saving

    def note_edit(self) -> None:
        """Hand what stands in the editor over to the project, if it was edited."""
        name, text = self.name_in_editor, self.area.text
        # The area splits lines in its own way, so only what differs from what it first showed is an edit.
        if name and (text != self._text_as_shown or name in self.project.unsaved):
            self.project.unsaved[name] = text

    def on_text_area_changed(self) -> None:
        name = self.name_in_editor
        was_unsaved = name in self.project.unsaved
        self.note_edit()
        self._show_length()
        if name and not was_unsaved:  # a line of the list for each keystroke would be many bytes
            self.photo_list.redraw(name)
            self.draw_standings()
            self._saved_at = time.monotonic()
        if time.monotonic() - self._saved_at < BUSY_SECONDS:
            self._stop_waiting()
        if not self._idle:
            self._idle = self.set_timer(IDLE_SECONDS, self.action_save)

    def action_save(self) -> None:
        """Write what was typed, in the background."""
        self._stop_waiting()
        self.note_edit()
        if self.project.begin_saving():
            self._await_saved()

    @work(exit_on_error=False)
    async def _await_saved(self) -> None:
        if self.project.saving:
            await asyncio.shield(asyncio.wrap_future(self.project.saving))
        self.note_edit()  # what was typed meanwhile
        saved = self.project.take_saved()
        if saved:
            self._tell_saved(saved)
            if self.project.unsaved and not saved.refused and not self._idle:
                self.action_save()

    def save_now(self) -> StatedError | None:
        """Write what was typed before anything else happens; returns why some of it is refused."""
        self._stop_waiting()
        self.note_edit()
        unsaved, refused = list(self.project.unsaved), None
        try:
            self.project.save_captions()
        except StatedError as error:
            refused = error
            self._tell_refused(error)
        if unsaved:
            self._note_saved(unsaved)
        return refused

    def _stop_waiting(self) -> None:
        if self._idle:
            self._idle.stop()
            self._idle = None

    def _tell_saved(self, saved: Saved) -> None:
        self._note_saved([*saved.captions, *self.project.unsaved])
        if saved.refused:
            self._tell_refused(saved.refused)
        else:
            self.say(f"Saved {counted(len(saved.captions), 'caption')}.")

    def _tell_refused(self, error: StatedError) -> None:
        self.say(f"Not saved, but kept. {error.problem} {error.remedy} ctrl+r reads the folder again.", wrong=True)

    def _note_saved(self, names: Iterable[str]) -> None:
        self._saved_at = time.monotonic()
        if self.name_in_editor not in self.project.unsaved:
            self._text_as_shown = self.area.text
        self.photo_list.redraw(*names)
        self._show_tags()
        self.draw_standings()

    def on_screen_suspend(self) -> None:
        refused = self.save_now()
        if refused and not isinstance(self.app.screen, ModalScreen):  # below a dialog it is still to be read here
            self.tell(refused)

    # The folder as something else has left it

    def take_folder(self, dataset: Dataset) -> None:
        """Go on with the folder as it was read just now; what was typed stays."""
        if self.project.dataset is None or self.project.dataset.root != dataset.root:
            return
        self.note_edit()
        self.show_folder(self.project.go_on_with(dataset))

    def show_folder(self, kept: Path | None) -> None:
        """Draw what the project has read.  kept: where the captions of photos that are gone were put."""
        self.draw_standings()
        self.draw()
        if kept:
            self.notify(
                f"Their captions are kept in {visible(str(kept))}.",
                title="Photos with captions that were not saved are gone.",
                severity="warning",
                timeout=10,
                markup=False,
            )


def _reader_for(project: Project) -> CaptionReader:
    config = project.recipe.compose().config
    return CaptionReader(config, tokenizer_file(config.model))
