"""Photos: which folder, what is learned from it, and what lies in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label, Static
from textual.worker import get_current_worker

from curation.dataset import Photo, exclude, include
from curation.errors import StatedError
from curation.text import visible
from engine.paths import typed_path
from loratui.recipe import INSTANCE_PROMPT, KIND, TRIGGER, Setting
from loratui.screens.step import StepScreen
from loratui.widgets.quiet_table import QuietTable
from loratui.widgets.setting_row import SettingRow

SIZES_AT_ONCE = 100
LEFT_OUT_BY_HAND = "left out by hand"


class PhotosScreen(StepScreen):
    """The first step. Needs nothing but the folder's listing; sizes come from file headers, in the background."""

    mode = "photos"
    CSS_PATH = "photos.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open folder", tooltip="Type the path of a folder of photos; enter opens it"),
        Binding("x", "leave_out_or_back", "Leave out/back", tooltip="Leave the photo out of training, or take it back"),
        Binding("ctrl+r", "read_again", "Read again", tooltip="Read the folder again; what was typed stays"),
    ]

    class SizesRead(Message, bubble=False):
        """Sizes in pixels of some photos, by name; None for a file that has no readable header."""

        def __init__(self, root: Path, sizes: dict[str, tuple[int, int] | None]) -> None:
            super().__init__()
            self.root = root
            self.sizes = sizes

    def compose_body(self) -> Iterator:
        with Vertical(id="concept", classes="panel") as concept:
            concept.border_title = "Folder and concept"
            with Horizontal(classes="field"):
                yield Label("Folder")
                yield Input(placeholder="path of a folder of photos, then enter", id="folder", compact=True)
            for setting in (KIND, TRIGGER, INSTANCE_PROMPT):
                yield SettingRow(setting, self.project.recipe)
            yield Static(id="meaning", classes="hint", markup=False)
        yield QuietTable(("Photo", "Pixels", "Caption", "Training"), id="listing")

    def on_mount(self) -> None:
        self._sizes: dict[str, tuple[int, int] | None] = {}
        self.query_one("#listing").border_title = "Photos"
        self.query_one("#listing").add_class("panel")

    def draw(self) -> None:
        self._draw_concept()
        self._draw_listing()
        dataset = self.project.dataset
        if dataset is None:
            self.query_one("#folder").focus()
            return
        with self.prevent(Input.Changed):
            self.query_one("#folder", Input).value = visible(str(dataset.root))
        if self.focused is None:
            self.query_one(QuietTable).focus()
        if any(photo.name not in self._sizes for photo in dataset.photos):
            self._read_sizes(dataset.root, dataset.photos)

    def _draw_concept(self) -> None:
        for row in self.query(SettingRow):
            row.disabled = self.project.dataset is None
            row.show(self.project.recipe)

    def _draw_listing(self) -> None:
        table = self.query_one(QuietTable)
        dataset = self.project.dataset
        photos = dataset.photos if dataset else ()
        table.show_rows((photo.name, self._cells(photo)) for photo in photos)
        if dataset:
            left_out = len(dataset.photos) - len(dataset.trainable)
            table.border_subtitle = f"{len(dataset.trainable)} to train on, {left_out} left out"

    def _cells(self, photo: Photo) -> tuple[str, str, str, str]:
        caption = "written" if self.project.unsaved.get(photo.name, photo.caption) else "instance prompt"
        training = "yes" if photo.excluded is None else f"left out: {photo.excluded}"
        return photo.name, self._size_text(photo.name), caption, training

    def _size_text(self, name: str) -> str:
        if name not in self._sizes:
            return ""
        size = self._sizes[name]
        return f"{size[0]} x {size[1]}" if size else "unreadable"

    @work(thread=True, exclusive=True, group="sizes", exit_on_error=False)
    def _read_sizes(self, root: Path, photos: tuple[Photo, ...]) -> None:
        for start in range(0, len(photos), SIZES_AT_ONCE):
            if get_current_worker().is_cancelled:
                return
            some = photos[start : start + SIZES_AT_ONCE]
            self.post_message(self.SizesRead(root, {photo.name: header_size(photo.path) for photo in some}))

    def on_photos_screen_sizes_read(self, message: SizesRead) -> None:
        dataset = self.project.dataset
        if dataset is None or dataset.root != message.root:
            return
        self._sizes.update(message.sizes)
        table = self.query_one(QuietTable)
        for name in message.sizes:
            if name in table.rows:
                table.show_cell(name, "Pixels", self._size_text(name))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "folder":
            self._open(typed_path(event.value.strip()))

    def _open(self, folder: Path) -> None:
        self._sizes = {}
        before = self.project.dataset
        try:
            self.project.open(folder)
        except StatedError as error:
            self.tell(error)
        except OSError as error:
            self.tell(
                StatedError(f"This path cannot be used: {error.strerror}.", "Type the path of a folder of photos.")
            )
        if self.project.dataset is not before:
            self.query_one(QuietTable).focus()
            if self.project.unsaved:
                self.notify(f"{len(self.project.unsaved)} captions that were not saved the last time are back.")
        self.on_screen_resume()

    def on_setting_row_typed(self, event: SettingRow.Typed) -> None:
        self.project.choose(event.setting, event.text)
        self._draw_concept()
        self._draw_meaning(event.setting)
        self.draw_standings()

    def on_descendant_focus(self) -> None:
        rows = [row for row in self.query(SettingRow) if row.has_focus_within]
        self._draw_meaning(rows[0].setting if rows else None)

    def _draw_meaning(self, setting: Setting | None) -> None:
        problem = self.project.recipe.problems.get(setting) if setting else None
        text = problem.problem if problem else setting.meaning if setting else ""
        self.query_one("#meaning", Static).update(visible(text))

    def action_open(self) -> None:
        self.query_one("#folder").focus()

    def action_leave_out_or_back(self) -> None:
        dataset = self.project.dataset
        if dataset is None:
            return
        photo = dataset.photos[self.query_one(QuietTable).cursor_row]
        try:
            if photo.excluded is None:
                self.project.dataset = exclude(dataset, {photo.name: LEFT_OUT_BY_HAND})
            else:
                self.project.dataset = include(dataset, [photo.name])
        except StatedError as error:
            self.tell(error)
        self.project.report = None
        self.on_screen_resume()

    def action_read_again(self) -> None:
        try:
            self.project.read_again()
        except StatedError as error:
            self.tell(error)
        self._sizes = {}
        self.on_screen_resume()


def header_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels, upright, from the file's header alone; None when there is none to read."""
    from PIL import ExifTags, Image
    from pillow_heif import register_heif_opener  # 60 ms, so not before there are photos to read

    register_heif_opener()
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            return (image.height, image.width) if turned else image.size
    except Exception:  # noqa: BLE001 - Pillow's decoders raise anything on damaged bytes
        return None
