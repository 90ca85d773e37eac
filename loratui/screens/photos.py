"""Photos: which folder, what is learned from it, what lies in it, and where training crops each photo."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widgets import Input, Select, Static

from curation.dataset import Dataset, Photo, open_dataset
from curation.errors import StatedError
from curation.text import visible
from engine.data.buckets import Size
from engine.paths import typed_path
from loratui.jobs import Job
from loratui.photos.inventory import Inventory, PhotoFile, read_files
from loratui.photos.photo_rows import STATES, cells, described, found_by
from loratui.photos.training_crop import crop_marks
from loratui.screens.concept import ConceptPanel
from loratui.screens.deciding import Deciding
from loratui.terminal.glyphs import glyphs
from loratui.terminal.pictures import Mark
from loratui.widgets.gallery import Tile
from loratui.widgets.inventory_view import InventoryView
from loratui.widgets.photo_shelf import PhotoShelf
from loratui.widgets.picture import PictureView

FILES_AT_ONCE = 100


class PhotosScreen(Deciding):
    """The first step. Needs nothing but the folder's listing; what files say comes in the background."""

    mode = "photos"
    CSS_PATH = "photos.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "step_out", "Step out", id="photos.step_out", tooltip="Of a field, marks, filter, or a job"),
        Binding("c", "crop", "Crop", id="photos.crop", tooltip="Place the photo's training crop; enter does it too"),
        Binding(
            "x",
            "leave_out_or_back",
            "Leave out",
            id="photos.leave_out",
            tooltip="Or take back; the marked photos, or this one",
        ),
        Binding("v", "turn_view", "View", id="photos.view", tooltip="A list, or small pictures"),
        Binding("e", "edit_concept", "Concept", id="photos.concept", tooltip="Kind, trigger word, class noun"),
        Binding("slash", "filter", "Filter", id="photos.filter", tooltip=f"By words of names, or: {STATES}"),
        Binding("space", "mark", "Mark", show=False, id="photos.mark", tooltip="Mark the photo, or unmark it"),
        Binding("u", "undo", "Undo", show=False, id="photos.undo", tooltip="Take back the last change to the folder"),
        Binding("U", "redo", "Redo", show=False, id="photos.redo", tooltip="Make that change once more"),
        Binding("o", "open", "Open folder", show=False, id="photos.open", tooltip="Type the path of a folder"),
        Binding(
            "r,ctrl+r", "read_again", "Read again", show=False, id="photos.read_again", tooltip="Read the folder again"
        ),
    ]

    class FilesRead(Message, bubble=False):
        """What some files say, by photo name; None for a file that has no readable header."""

        def __init__(self, root: Path, files: dict[str, PhotoFile | None]) -> None:
            super().__init__()
            self.root, self.files = root, files

    def __init__(self) -> None:
        super().__init__()
        self._root: Path | None = None
        self._files: dict[str, PhotoFile | None] = {}
        self._photos: dict[str, Photo] = {}
        self._marked: set[str] = set()
        self._report: object = None
        self._reading: Job | None = None
        self._offers_crop = False

    def compose_body(self) -> Iterator:
        with Container(id="photos-body"):
            with Container(id="about"):
                yield InventoryView()
                yield ConceptPanel(self.project)
            with Container(id="photos-shelf"):
                yield PhotoShelf(self._cells, self._tile)
                with Vertical(id="photo", classes="panel"):
                    yield PictureView()
                    yield Static(id="described", markup=False)

    # What is there

    def note_edit(self) -> None:
        self.query_one(ConceptPanel).note_edit()

    def draw(self) -> None:
        dataset = self.project.dataset
        root = dataset.root if dataset else None
        if root != self._root or (self.project.report and self.project.report is not self._report):
            self._forget_files(root)
        self._report = self.project.report or self._report
        self._photos = {photo.name: photo for photo in dataset.photos} if dataset else {}
        self._marked &= self._photos.keys()
        self.query_one(ConceptPanel).draw()
        self._count_again()
        self._draw_listing()
        if dataset is None:
            self._edit(ConceptPanel.focus_folder)
            return
        if self.focused is None:
            self._shelf.view.focus()
        self._read_missing(dataset)

    def _forget_files(self, root: Path | None) -> None:
        """What was read of files counts no more: another folder, or the checks have measured them."""
        if root != self._root:
            self._marked = set()
        self._root = root
        self._files = {}
        if self._reading:
            self._reading.cancel()
            self._reading = None

    @property
    def _shelf(self) -> PhotoShelf:
        return self.query_one(PhotoShelf)

    def _count_again(self) -> None:
        self._inventory = Inventory(self._data, self.project.recipe.compose().config.concept.kind)
        for photo in self._photos.values():
            if photo.excluded is None and photo.name in self._files:
                self._inventory.count(self._files[photo.name])
        self._draw_inventory()

    def _draw_inventory(self) -> None:
        dataset = self.project.dataset
        left_out = len(self._photos) - len(dataset.trainable) if dataset else 0
        self.query_one(InventoryView).show(self._inventory if dataset else None, len(self._photos) - left_out, left_out)

    def _read_missing(self, dataset: Dataset) -> None:
        missing = [photo for photo in dataset.photos if photo.name not in self._files]
        if not missing or self._reading:
            return

        def read(job: Job) -> None:
            batch: dict[str, PhotoFile | None] = {}
            for number, (name, file) in enumerate(read_files(dataset.root, missing), start=1):
                batch[name] = file
                if len(batch) == FILES_AT_ONCE or number == len(missing):
                    job.progress(number, len(missing))
                    self.post_message(self.FilesRead(dataset.root, batch))
                    batch = {}

        self._reading = self.start_job("Looking at the photos", read, self._end_reading)

    def _end_reading(self, _: None) -> None:
        self._reading = None
        self._draw_listing()

    def on_photos_screen_files_read(self, message: FilesRead) -> None:
        if message.root != self._root:
            return
        new = {name: file for name, file in message.files.items() if name in self._photos and name not in self._files}
        self._files.update(new)
        for name, file in new.items():
            if self._photos[name].excluded is None:
                self._inventory.count(file)
        if not self._shelf.shows_pictures:  # they are drawn again once all are known
            self._shelf.redraw(new, self._marked)
        self._draw_inventory()
        if self._shelf.key in new:
            self._draw_photo()

    # The list and the pictures

    def _draw_listing(self) -> None:
        shown = self._shown_names()
        self._shelf.show(shown, self._marked)
        self._draw_counts(len(shown))
        self._draw_photo()

    def _draw_counts(self, shown: int) -> None:
        dataset = self.project.dataset
        marked = f"{len(self._marked)} marked, " if self._marked else ""
        filtered = f"{shown} of {len(self._photos)} shown" if shown < len(self._photos) else ""
        trained = len(dataset.trainable) if dataset else 0
        counts = f"{trained} to train on, {len(self._photos) - trained} left out" if dataset else ""
        self._shelf.border_subtitle = f"{marked}{filtered or counts}"

    def _shown_names(self) -> list[str]:
        words = self._shelf.words
        if not words:
            return list(self._photos)
        resolution = self._data.resolution
        texts = (
            (name, found_by(photo, self._files, bool(self._caption(photo)), resolution))
            for name, photo in self._photos.items()
        )
        return [name for name, text in texts if all(word in text for word in words)]

    def _caption(self, photo: Photo) -> str:
        return self.project.unsaved.get(photo.name, photo.caption or "")

    def _cells(self, name: str) -> tuple[str, ...]:
        photo = self._photos[name]
        return cells(photo, self._files, bool(self._caption(photo)), name in self._marked)

    def _tile(self, name: str) -> Tile:
        photo = self._photos[name]
        signs = [glyphs().marked] if name in self._marked else []
        signs += [glyphs().blocked] if photo.excluded is not None else []
        marks = tuple(replace(mark, label="") for mark in self._marks(photo))  # words would hide a small picture
        return Tile(name, photo.path, " ".join([*signs, name]), marks)

    def _marks(self, photo: Photo) -> tuple[Mark, ...]:
        file = self._files.get(photo.name)
        return crop_marks(file.size, self._data, photo.focus) if file else ()

    def _draw_photo(self) -> None:
        photo = self._photo()
        self.query_one("#photo").border_title = visible(photo.name) if photo else "Photo"
        self.query_one(PictureView).show(photo.path if photo else None, self._marks(photo) if photo else ())
        lines: list[str] = []
        if photo:
            prompt = self.project.recipe.compose().config.concept.instance_prompt
            caption = self._caption(photo) or f"no caption of its own: {prompt or 'none'}"
            lines = list(described(photo, self._files, caption, self._data))
        text = "\n".join(lines)
        if str(self.query_one("#described", Static).content) != text:
            self.query_one("#described", Static).update(text)
        if self._can_crop != self._offers_crop:
            self._offers_crop = self._can_crop
            self.refresh_bindings()

    def on_row_list_highlighted(self) -> None:
        self._draw_photo()

    def on_gallery_highlighted(self) -> None:
        self._draw_photo()

    def on_row_list_chosen(self) -> None:
        self.action_crop()

    def on_gallery_chosen(self) -> None:
        self.action_crop()

    def action_turn_view(self) -> None:
        self._shelf.turn(self._marked)
        self.set_class(self._shelf.shows_pictures, "-pictures")

    def action_filter(self) -> None:
        self._shelf.begin_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self._draw_listing()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            self.action_leave_field()

    def action_mark(self) -> None:
        photo = self._photo()
        if photo is None:
            return
        self._marked ^= {photo.name}
        self._shelf.redraw((), self._marked)
        self._shelf.next()
        self._draw_counts(len(self._shelf.names))

    def action_step_out(self) -> None:
        """Leave the field, else end the marks, else the filter, else the newest job."""
        if self._is_in_field:
            self.action_leave_field()
        elif self._marked or self._shelf.is_filtering:
            if not self._marked:
                self._shelf.end_filter()
            self._marked = set()
            self._draw_listing()
        else:
            self.action_cancel_job()
        self.refresh_bindings()

    def action_leave_field(self) -> None:
        if not self._shelf.words:
            self._shelf.end_filter()
        self._shelf.view.focus()

    @property
    def _is_in_field(self) -> bool:
        return isinstance(self.focused, Input | Select)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a field keys are text; without photos there is nothing to do with them."""
        if not self.is_mounted:
            return False
        if action == "step_out":
            can_cancel = any(not job.is_cancelled for job in self.jobs)
            return self._is_in_field or bool(self._marked) or self._shelf.is_filtering or can_cancel
        if action == "crop" and not self._can_crop:
            return False
        if action in ("crop", "leave_out_or_back", "turn_view", "filter", "mark", "undo", "redo", "read_again"):
            return bool(self._photos) and not self._is_in_field
        return super().check_action(action, parameters)

    # What is decided about photos

    def _photo(self) -> Photo | None:
        return self._photos.get(self._shelf.key or "")

    def _chosen(self) -> Sequence[Photo]:
        photo = self._photo()
        return [self._photos[name] for name in sorted(self._marked)] or ([photo] if photo else [])

    def _size_of(self, photo: Photo) -> Size | None:
        file = self._files.get(photo.name)
        return file.size if file else None

    def _draw_decided(self, dataset: Dataset, names: Collection[str]) -> None:
        before, self._photos = self._photos, {photo.name: photo for photo in dataset.photos}
        for name in names:
            was, now = before[name].excluded is None, self._photos[name].excluded is None
            if was != now and name in self._files:
                self._inventory.count(self._files[name], 1 if now else -1)
        self._marked = set()
        if self._shelf.words:
            self._draw_listing()
        else:
            self._shelf.redraw(names, self._marked)
            self._draw_counts(len(self._shelf.names))
            self._draw_photo()
        self._draw_inventory()
        self.draw_standings()
        self.refresh_bindings()

    def action_read_again(self) -> None:
        dataset = self.project.dataset
        if dataset is None:
            return

        def take(read: Dataset) -> None:
            self._forget_files(self._root)
            self._take_read(read)

        read = partial(open_dataset, dataset.root, dataset.caption_column)
        self.start_job("Reading the folder", lambda _: read(), take)

    # The folder and the concept

    def action_open(self) -> None:
        self._edit(ConceptPanel.focus_folder)

    def action_edit_concept(self) -> None:
        self._edit(ConceptPanel.focus_concept)

    def _edit(self, focus: Callable[[ConceptPanel], None]) -> None:
        self.add_class("-editing")
        focus(self.query_one(ConceptPanel))

    def on_descendant_focus(self) -> None:
        """Where room is short the fields are there only while one is in them."""
        self.set_class(self.query_one(ConceptPanel).has_focus_within, "-editing")

    def on_concept_panel_folder_given(self, message: ConceptPanel.FolderGiven) -> None:
        before = self.project.dataset
        try:
            self.project.open(typed_path(message.path))
        except StatedError as error:
            self.tell(error)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.tell(StatedError(f"This path cannot be used: {why}.", "Type the path of a folder of photos."))
        if self.project.dataset is not before:
            self.action_leave_field()
            if self.project.unsaved:
                self.notify(f"{len(self.project.unsaved)} captions that were not saved the last time are back.")
        self.on_screen_resume()

    def on_concept_panel_changed(self) -> None:
        config = self.project.recipe.compose().config
        if not self._inventory.counts_as(config.data, config.concept.kind):
            self._count_again()
        self._draw_photo()
        self.draw_standings()

    def on_concept_panel_refused(self, message: ConceptPanel.Refused) -> None:
        self.tell(message.error)
