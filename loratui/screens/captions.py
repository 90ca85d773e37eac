"""Captions: one photo after another, its picture and its words; nothing that was typed is lost."""

from collections.abc import Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from curation.dataset import Photo
from curation.errors import StatedError
from curation.text import visible
from loratui.screens.step import StepScreen
from loratui.widgets.caption_area import CaptionArea
from loratui.widgets.picture import PictureView
from loratui.widgets.quiet_table import QuietTable

IDLE_SECONDS = 2.0


class CaptionsScreen(StepScreen):
    """The third step. Captions are saved when one goes on to another photo, leaves, or rests for two seconds."""

    mode = "captions"
    CSS_PATH = "captions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit", tooltip="Write the caption, also with enter; esc or tab goes back to the list"),
        Binding("n", "next_empty", "Next without", tooltip="Go to the next photo without a caption of its own"),
        Binding("ctrl+s", "save", "Save", tooltip="Save now; captions also save by themselves"),
        Binding("ctrl+r", "read_again", "Read again", tooltip="Read the captions on disk again; what was typed stays"),
    ]

    def compose_body(self) -> Iterator:
        with Horizontal(classes="panes"):
            yield QuietTable(("Photo", "State", "Caption"), id="captions")
            with Vertical(id="editor"):
                with Vertical(id="picture", classes="panel"):
                    yield PictureView()
                with Vertical(id="words", classes="panel"):
                    yield CaptionArea(soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
                yield Static(id="said", classes="hint", markup=False)

    def on_mount(self) -> None:
        self._shown: Photo | None = None
        self._as_shown = ""
        self._idle: Timer | None = None
        self.query_one("#captions").border_title = "Photos"
        self.query_one("#captions").add_class("panel")
        self.query_one("#words").border_title = "Caption"
        self.query_one("#captions").focus()

    def draw(self) -> None:
        dataset = self.project.dataset
        photos = dataset.photos if dataset else ()
        self.query_one(QuietTable).show_rows(
            (photo.name, (photo.name, self._state(photo), self._caption(photo))) for photo in photos
        )
        self.query_one(CaptionArea).read_only = not photos
        prompt = self.project.recipe.compose().config.concept.instance_prompt
        empty = f"empty: trains with the instance prompt, {visible(prompt)!r}" if prompt else "empty"
        self.query_one(CaptionArea).placeholder = empty
        if not dataset:
            self._say("No photos are open: press 1 and name their folder.")
        self._show_photo()

    def on_screen_suspend(self) -> None:
        refused = self._save()
        if refused and not isinstance(self.app.screen, ModalScreen):  # below a dialog it is still to be read here
            self.tell(refused)

    def _state(self, photo: Photo) -> str:
        if photo.name in self.project.unsaved:
            return "not saved"
        return "written" if photo.caption else "-"

    def _caption(self, photo: Photo) -> str:
        return self.project.unsaved.get(photo.name, photo.caption or "")

    def _photo(self) -> Photo | None:
        """The photo under the cursor."""
        dataset, row = self.project.dataset, self.query_one(QuietTable).cursor_row
        return dataset.photos[row] if dataset and row < len(dataset.photos) else None

    def on_data_table_row_highlighted(self) -> None:
        photo = self._photo()
        if photo and (self._shown is None or photo.name != self._shown.name):
            self.action_save()
            self._show_photo()

    def _show_photo(self) -> None:
        photo = self._photo()
        area = self.query_one(CaptionArea)
        caption = "" if photo is None else self._caption(photo)
        if self._shown is None or photo is None or photo.name != self._shown.name or caption != area.text:
            with area.prevent(TextArea.Changed):
                area.load_text(caption)
                area.move_cursor(area.document.end)
        self._shown, self._as_shown = photo, area.text
        self.query_one(PictureView).show(photo.path if photo else None)
        self.query_one("#picture").border_title = Content(visible(photo.name) if photo else "Photo")

    def note_edit(self) -> None:
        """Hand what stands in the editor over to the project, if it was edited."""
        text = self.query_one(CaptionArea).text
        # The area splits lines in its own way, so only what differs from what it first showed is an edit.
        if self._shown and (text != self._as_shown or self._shown.name in self.project.unsaved):
            self.project.unsaved[self._shown.name] = text

    def on_text_area_changed(self) -> None:
        self.note_edit()
        if self._shown:
            self._draw_states([self._shown.name])
        if self._idle:
            self._idle.stop()
        self._idle = self.set_timer(IDLE_SECONDS, self.action_save)

    def on_caption_area_turned(self, event: CaptionArea.Turned) -> None:
        table = self.query_one(QuietTable)
        table.move_cursor(row=table.cursor_row + event.by)

    def action_save(self) -> None:
        """Write what was typed."""
        self._save()

    def _save(self) -> StatedError | None:
        """Write what was typed; where that is refused, say so below it, keep it, and return why."""
        if self._idle:
            self._idle.stop()
        self.note_edit()
        edited, refused = list(self.project.unsaved), None
        try:
            self.project.save_captions()
        except StatedError as error:
            refused = error
            self._say(f"Not saved, but kept. {error.problem} {error.remedy} ctrl+r reads the folder again.", wrong=True)
        else:
            if edited:
                self._say(f"Saved {len(edited)} {'caption' if len(edited) == 1 else 'captions'}.")
        if self._shown and self._shown.name not in self.project.unsaved:
            self._as_shown = self.query_one(CaptionArea).text
        if edited:
            self._draw_states(edited)
        return refused

    def _draw_states(self, names: list[str]) -> None:
        table = self.query_one(QuietTable)
        photos = {photo.name: photo for photo in self.project.dataset.photos} if self.project.dataset else {}
        for name in names:
            if name in table.rows and name in photos:
                table.show_cell(name, "State", self._state(photos[name]))
                if name not in self.project.unsaved:  # a cell a keystroke would be a screenful of bytes a keystroke
                    table.show_cell(name, "Caption", self._caption(photos[name]))
        self.draw_standings()

    def on_data_table_row_selected(self) -> None:
        self.action_edit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the editor `e` is a letter."""
        if action == "edit":
            return not isinstance(self.focused, CaptionArea)
        return super().check_action(action, parameters)

    def action_edit(self) -> None:
        self.query_one(CaptionArea).focus()

    def action_leave_field(self) -> None:
        self.query_one(QuietTable).focus()

    def action_next_empty(self) -> None:
        """Move to the next photo, after the one shown, that has no caption."""
        dataset = self.project.dataset
        if dataset is None:
            return
        table = self.query_one(QuietTable)
        count = len(dataset.photos)
        for row in ((table.cursor_row + offset) % count for offset in range(1, count + 1)):
            photo = dataset.photos[row]
            if not self.project.unsaved.get(photo.name, photo.caption) and photo.excluded is None:
                table.move_cursor(row=row)
                return
        self._say("Every photo has a caption.")

    def action_read_again(self) -> None:
        self.note_edit()
        try:
            self.project.read_again()
        except StatedError as error:
            self.tell(error)
            return
        self.draw()
        self._say("Read the folder again.")

    def _say(self, text: str, wrong: bool = False) -> None:
        said = self.query_one("#said", Static)
        said.update(visible(text))
        said.set_class(wrong, "-wrong")
