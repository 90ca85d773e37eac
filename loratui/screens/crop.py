"""Where training crops one photo, moved by keys or the mouse: what is cut away lies in the dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from PIL import Image, ImageDraw
from rich.segment import Segment
from textual import events, work
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Static

from curation.crops import Focus
from curation.dataset import Photo
from curation.errors import CurationError
from curation.text import visible
from engine.data.buckets import MIDDLE, Size, covering_size
from engine.settings import DataSection
from loratui.half_blocks import MOST_BYTES, as_half_blocks
from loratui.pictures import BRIGHT, Mark
from loratui.training_crop import bucket_of, centre, crop_mark
from loratui.widgets.drawing import SCALER, centred, place_in
from loratui.widgets.key_footer import KeyFooter
from loratui.widgets.lines import Lines

STEP, FINE_STEP = 0.05, 0.01
"""Of the photo's side."""
IN_THE_DARK = 0.3
"""Brightness of what is cut away."""


class CropView(Lines):
    """A photo with all but its crop in the dark; only the cells that a moved crop changes are sent."""

    class Pointed(Message):
        """A place in the photo was clicked."""

        def __init__(self, focus: Focus) -> None:
            super().__init__()
            self.focus = focus

    class Decoded(Message, bubble=False):
        """The photo is ready for its place, or the sentence why it cannot be shown."""

        def __init__(self, image: Image.Image | None, problem: str) -> None:
            super().__init__()
            self.image, self.problem = image, problem

    def __init__(self, path: Path, mark: Mark) -> None:
        super().__init__(id="crop-view")
        self._path, self._mark = path, mark
        self._image: Image.Image | None = None
        self._problem = ""

    def move(self, mark: Mark) -> None:
        """Show another crop."""
        self._mark = mark
        self.redraw()

    def on_resize(self) -> None:
        super().on_resize()
        self._decode(self.size.width, self.size.height)

    def on_crop_view_decoded(self, message: Decoded) -> None:
        self._image, self._problem = message.image, message.problem
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        width, height = self._cells()
        x, y = event.x - (self.size.width - width) // 2, event.y - (self.size.height - height) // 2
        if 0 <= x < width and 0 <= y < height:
            self.post_message(self.Pointed(((x + 0.5) / width, (y + 0.5) / height)))

    def drawn(self, width: int, height: int) -> Sequence[Strip]:
        if self._image is None:
            lines = [Strip([Segment(self._problem)])]
        elif place_in(self.app, self.size).way == "off":
            lines = list(_in_signs(self._mark, *self._cells()))
        else:
            lines = [Strip(line) for line in as_half_blocks(_lit(self._image, self._mark), MOST_BYTES)]
        top = max((height - len(lines)) // 2, 0)
        blank = Strip.blank(width, self.rich_style)
        return [blank] * top + [centred(line, width, self.rich_style) for line in lines] + [blank] * height

    def _cells(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return (self._image.width, self._image.height // 2) if self._image else (0, 0)

    @work(thread=True, exclusive=True, group="crop", exit_on_error=False)
    def _decode(self, width: int, height: int) -> None:
        try:
            image, problem = SCALER.scaled(self._path, width, 2 * height, double=True), ""
        except CurationError as error:
            image, problem = None, error.problem
        self.post_message(self.Decoded(image, visible(problem)))


@dataclass(frozen=True)
class Placed:
    """What was decided. focus: None crops the photo as the settings say."""

    focus: Focus | None


class CropScreen(ModalScreen[Placed | None]):
    """Place the crop of one photo. Returns what was decided, or None when nothing was.

    size: the photo's (height, width), upright.
    """

    CSS_PATH = "crop.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Left", show=False, id="crop.left", tooltip="Move the crop to the left"),
        Binding("right,l", "move(1, 0)", "Right", show=False, id="crop.right", tooltip="Move the crop to the right"),
        Binding("up,k", "move(0, -1)", "Up", show=False, id="crop.up", tooltip="Move the crop up"),
        Binding("down,j", "move(0, 1)", "Down", show=False, id="crop.down", tooltip="Move the crop down"),
        Binding("shift+left,H", "nudge(-1, 0)", "A bit left", show=False, id="crop.bit-left", tooltip="A hundredth"),
        Binding("shift+right,L", "nudge(1, 0)", "A bit right", show=False, id="crop.bit-right", tooltip="A hundredth"),
        Binding("shift+up,K", "nudge(0, -1)", "A bit up", show=False, id="crop.bit-up", tooltip="A hundredth"),
        Binding("shift+down,J", "nudge(0, 1)", "A bit down", show=False, id="crop.bit-down", tooltip="A hundredth"),
        Binding("enter", "keep", "Keep", id="crop.keep", tooltip="Always crop the photo here"),
        Binding("c", "centre", "Centre", id="crop.centre", tooltip="Put the crop in the middle of the photo"),
        Binding("r", "release", "As set", id="crop.release", tooltip="Crop the photo as the settings say again"),
        Binding("escape,q", "leave", "Leave", id="crop.leave", tooltip="Change nothing"),
    ]

    def __init__(self, photo: Photo, size: Size, data: DataSection) -> None:
        super().__init__()
        self._photo, self._photo_size, self._data = photo, size, data
        self._mark = self._mark_at(photo.focus or MIDDLE)

    def compose(self) -> Iterator:
        with Vertical(id="crop-panel", classes="panel") as panel:
            panel.border_title = visible(self._photo.name)
            yield CropView(self._photo.path, self._mark)
        yield Static(self._words(), id="crop-words", markup=False)
        yield Static("arrows hjkl: move   HJKL: finer   or click", id="crop-hint", classes="hint", markup=False)
        yield KeyFooter()

    def on_crop_view_pointed(self, message: CropView.Pointed) -> None:
        self._go_to(message.focus)

    def action_move(self, across: int, down: int) -> None:
        self._move(across * STEP, down * STEP)

    def action_nudge(self, across: int, down: int) -> None:
        self._move(across * FINE_STEP, down * FINE_STEP)

    def action_centre(self) -> None:
        self._go_to(MIDDLE)

    def action_keep(self) -> None:
        self.dismiss(Placed(centre(self._mark)))

    def action_release(self) -> None:
        self.dismiss(Placed(None))

    def action_leave(self) -> None:
        self.dismiss(None)

    def _move(self, across: float, down: float) -> None:
        x, y = centre(self._mark)
        self._go_to((min(max(x + across, 0.0), 1.0), min(max(y + down, 0.0), 1.0)))

    def _go_to(self, focus: Focus) -> None:
        mark = self._mark_at(focus)
        if mark != self._mark:
            self._mark = mark
            self.query_one(CropView).move(mark)
            self.query_one("#crop-words", Static).update(self._words())

    def _mark_at(self, focus: Focus) -> Mark:
        return crop_mark(self._photo_size, self._data, focus, "")

    def _words(self) -> str:
        """What training makes of the crop, and where it lies."""
        bucket = bucket_of(self._photo_size, self._data)
        scale = covering_size(self._photo_size, bucket)[0] / self._photo_size[0]
        how = f"enlarged {scale:.1f} times" if scale > 1 else "made smaller" if scale < 1 else "as large as it is"
        x, y = centre(self._mark)
        return f"Training sees {bucket[1]} x {bucket[0]} pixels around {x:.2f},{y:.2f}, {how}."


def _lit(image: Image.Image, mark: Mark) -> Image.Image:
    """The picture with what lies outside of the mark in the dark, and a line around it."""
    box = _box(mark, image.width, image.height)
    dark = Image.eval(image, lambda value: round(value * IN_THE_DARK))
    dark.paste(image.crop(box), box)
    ImageDraw.Draw(dark).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline=BRIGHT)
    return dark


def _in_signs(mark: Mark, width: int, height: int) -> Iterator[Strip]:
    """The same where there are no colours for pictures: the crop in hashes, what is cut away in dots."""
    left, top, right, bottom = _box(mark, width, height)
    for y in range(height):
        row = "".join("#" if top <= y < bottom and left <= x < right else "." for x in range(width))
        yield Strip([Segment(row)])


def _box(mark: Mark, width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a mark in a picture of so many pixels, or cells: one at least."""
    left, top = min(round(mark.left * width), width - 1), min(round(mark.top * height), height - 1)
    right, bottom = round((mark.left + mark.width) * width), round((mark.top + mark.height) * height)
    return left, top, max(right, left + 1), max(bottom, top + 1)
