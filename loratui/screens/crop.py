"""Where training crops one photo, moved by keys or the mouse: what is cut away lies in the dark."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
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
from loratui.photos.training_crop import bucket_of, centre, crop_mark
from loratui.terminal.half_blocks import MOST_BYTES, as_half_blocks
from loratui.terminal.pictures import BRIGHT, Mark
from loratui.widgets.drawing import SCALER, centred, place_in
from loratui.widgets.key_footer import KeyFooter
from loratui.widgets.lines import Lines

STEP, FINE_STEP = 0.05, 0.01
"""Of the photo's side."""
IN_THE_DARK = 0.3
"""Brightness of what is cut away."""
EDGE_STYLE = Style(color=Color.from_rgb(*BRIGHT), bgcolor=Color.from_rgb(*BRIGHT))


class CropView(Lines):
    """A photo with all but its crop in the dark; only the cells that a moved crop changes are sent."""

    class Pointed(Message):
        """A place in the photo was clicked."""

        def __init__(self, focus: Focus) -> None:
            super().__init__()
            self.focus = focus

    class Decoded(Message, bubble=False):
        """The photo is ready for its place.  light, dark: its lines as they are, and as what is cut away is shown."""

        def __init__(self, light: list[Strip], dark: list[Strip]) -> None:
            super().__init__()
            self.light, self.dark = light, dark

    def __init__(self, path: Path, mark: Mark) -> None:
        super().__init__(id="crop-view")
        self._path, self._mark = path, mark
        self._light: list[Strip] = []
        self._dark: list[Strip] = []

    def move(self, mark: Mark) -> None:
        """Show another crop."""
        self._mark = mark
        self.redraw()

    def on_resize(self) -> None:
        super().on_resize()
        self._decode(self.size.width, self.size.height, has_pictures=place_in(self.app, self.size).way != "off")

    def on_crop_view_decoded(self, message: Decoded) -> None:
        self._light, self._dark = message.light, message.dark
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        if not self._light:
            return
        width, height = self._light[0].cell_length, len(self._light)
        x, y = event.x - (self.size.width - width) // 2, event.y - (self.size.height - height) // 2
        if 0 <= x < width and 0 <= y < height:
            self.post_message(self.Pointed(((x + 0.5) / width, (y + 0.5) / height)))

    def drawn(self, width: int, height: int) -> Sequence[Strip]:
        blank = Strip.blank(width, self.rich_style)
        above = max((height - len(self._light)) // 2, 0)
        lines = [centred(line, width, self.rich_style) for line in self._lit()]
        return [blank] * above + lines + [blank] * (height - above - len(lines))

    def _lit(self) -> Iterator[Strip]:
        """The photo with what is cut away in the dark, and a line in the light where it is cut."""
        if not self._dark:
            yield from self._light
            return
        columns, rows = self._light[0].cell_length, len(self._light)
        left, top, right, bottom = _box(self._mark, columns, rows)
        for y, (light, dark) in enumerate(zip(self._light, self._dark, strict=True)):
            if not top <= y < bottom:
                yield dark
            elif (y == top and top > 0) or (y == bottom - 1 and bottom < rows):
                yield Strip.join([dark.crop(0, left), _edge(right - left), dark.crop(right)])
            else:
                start, end = left + (left > 0), right - (right < columns)
                parts = [dark.crop(0, left), _edge(start - left), light.crop(start, end), _edge(right - end)]
                yield Strip.join([*parts, dark.crop(right)])

    @work(thread=True, exclusive=True, group="crop", exit_on_error=False)
    def _decode(self, width: int, height: int, has_pictures: bool) -> None:
        try:
            image = SCALER.scaled(self._path, width, 2 * height, double=True)
        except CurationError as error:
            self.post_message(self.Decoded([Strip([Segment(visible(error.problem))])], []))
            return
        if has_pictures:
            light = [Strip(line) for line in as_half_blocks(image, MOST_BYTES)]
            dark = [Strip([Segment(text, _darker(style)) for text, style, _ in line]) for line in light]
        else:
            light, dark = ([Strip([Segment(sign * image.width)])] * (image.height // 2) for sign in ("#", "."))
        self.post_message(self.Decoded(light, dark))


def _darker(style: Style | None) -> Style:
    """The same colours, in the dark."""
    if style is None or style.color is None or style.bgcolor is None:
        return Style()
    upper, lower = (
        Color.from_rgb(*(value * IN_THE_DARK for value in color.get_truecolor()))
        for color in (style.color, style.bgcolor)
    )
    return Style(color=upper, bgcolor=lower)


def _edge(width: int) -> Strip:
    """A piece of the line around the crop; for eyes without colours, too."""
    return Strip([Segment("+" * width, EDGE_STYLE)] if width else [])


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


def _box(mark: Mark, width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a mark in a picture of so many cells; one at least each way."""
    left, top = min(round(mark.left * width), width - 1), min(round(mark.top * height), height - 1)
    right, bottom = round((mark.left + mark.width) * width), round((mark.top + mark.height) * height)
    return left, top, max(right, left + 1), max(bottom, top + 1)
