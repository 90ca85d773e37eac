"""Pictures side by side: a grid of tiles of any number, of which only those in sight are decoded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.segment import Segment
from rich.text import Text
from textual import events, work
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from curation.text import visible
from loratui.picture_app import PictureApp
from loratui.terminal.glyphs import glyphs
from loratui.terminal.pictures import Mark
from loratui.widgets.drawing import Drawing, Place, centred, draw, place_in

LEAST_WIDTH = 20
"""Cells of a tile, where the number of columns is left to the gallery: fewer do not show what a picture is."""
MOST_BYTES = 96 * 1024
"""That a screenful may send in half blocks: three seconds over 256 kbit/s."""
MOST_THREADS = 2


@dataclass(frozen=True)
class Tile:
    """A picture and the words under it.  key: what the gallery's messages call it."""

    key: str
    picture: Path
    label: str
    marks: tuple[Mark, ...] = ()


class Gallery(ScrollView, can_focus=True):
    """A grid of tiles with a cursor. A moved cursor repaints the frames of two tiles; labels are shown safely."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"gallery--cursor", "gallery--label"}
    DEFAULT_CSS = """
    Gallery { overflow-x: hidden; scrollbar-gutter: stable; }
    Gallery > .gallery--label { color: $text-muted; }
    Gallery > .gallery--cursor { color: $text; text-style: bold; }
    Gallery:focus > .gallery--cursor { color: $text-accent; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Left", show=False, id="gallery.left", tooltip="The picture before"),
        Binding("right,l", "move(1)", "Right", show=False, id="gallery.right", tooltip="The next picture"),
        Binding("up,k", "move_rows(-1)", "Up", show=False, id="gallery.up", tooltip="The picture above"),
        Binding("down,j", "move_rows(1)", "Down", show=False, id="gallery.down", tooltip="The picture below"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="gallery.page_up", tooltip="A page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="gallery.page_down", tooltip="A page down"),
        Binding("home,g", "edge(0)", "First", show=False, id="gallery.first", tooltip="The first picture"),
        Binding("end,G", "edge(-1)", "Last", show=False, id="gallery.last", tooltip="The last picture"),
        Binding("enter", "choose", "Choose", show=False, id="gallery.choose", tooltip="Open or choose the picture"),
    ]

    class Highlighted(Message):
        """The cursor came to a tile."""

        def __init__(self, gallery: "Gallery", key: str) -> None:
            super().__init__()
            self.gallery, self.key = gallery, key

        @property
        def control(self) -> "Gallery":
            return self.gallery

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Gallery.Highlighted) and message.gallery is self.gallery

    class Chosen(Message):
        """Enter or a second click on a tile."""

        def __init__(self, gallery: "Gallery", key: str) -> None:
            super().__init__()
            self.gallery, self.key = gallery, key

        @property
        def control(self) -> "Gallery":
            return self.gallery

    class Drawn(Message, bubble=False):
        """A tile's picture is ready."""

        def __init__(self, tile: Tile, drawing: Drawing) -> None:
            super().__init__()
            self.tile, self.drawing = tile, drawing

    class ThreadEnded(Message, bubble=False):
        """A thread found no more tiles to draw."""

    def __init__(self, id: str | None = None, columns: int | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._fixed_columns = columns
        self._tiles: tuple[Tile, ...] = ()
        self._numbers: dict[str, int] = {}
        self._number = 0
        self._drawn: dict[Tile, Drawing] = {}
        self._missing: list[Tile] = []
        self._threads = 0

    def show(self, tiles: Iterable[Tile], columns: int | None = None) -> None:
        """Show these tiles; the cursor stays on its key, or else on its place.  columns: from now on, where given."""
        key, number = self.key, self._number
        self._fixed_columns = columns or self._fixed_columns
        self._tiles = tuple(tiles)
        self._numbers = {tile.key: number for number, tile in enumerate(self._tiles)}
        self._number = self._numbers.get(key, min(number, max(len(self._tiles) - 1, 0))) if key else 0
        self._arrange()
        self._draw_missing(again=True)
        if self.key and self.key != key:
            self.post_message(self.Highlighted(self, self.key))

    @property
    def key(self) -> str | None:
        """The tile under the cursor; None in an empty gallery."""
        return self._tiles[self._number].key if self._number < len(self._tiles) else None

    def go_to_key(self, key: str) -> None:
        """Move the cursor to that key's tile, if there is one."""
        if key in self._numbers:
            self.go_to(self._numbers[key])

    def go_to(self, number: int) -> None:
        """Move the cursor to a tile, or to the end that lies in its direction."""
        number = min(max(number, 0), len(self._tiles) - 1)
        if number < 0 or number == self._number:
            return
        before, self._number = self._number, number
        if not self._keep_in_sight():
            self._refresh_frame(before)
            self._refresh_frame(number)
        self.post_message(self.Highlighted(self, self._tiles[number].key))

    def action_move(self, by: int) -> None:
        self.go_to(self._number + by)

    def action_move_rows(self, by: int) -> None:
        number = self._number + by * self._columns
        if 0 <= number < len(self._tiles):
            self.go_to(number)
        elif by > 0 and number // self._columns == (len(self._tiles) - 1) // self._columns:
            self.go_to(len(self._tiles) - 1)  # the last row is shorter

    def action_page(self, by: int) -> None:
        self.go_to(self._number + by * self._rows_in_sight * self._columns)

    def action_edge(self, number: int) -> None:
        self.go_to(number % max(len(self._tiles), 1))

    def action_choose(self) -> None:
        if self.key:
            self.post_message(self.Chosen(self, self.key))

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset_capture(self) + self.scroll_offset
        column, row = place.x // self._tile.width, place.y // self._tile.height
        number = row * self._columns + column
        if column >= self._columns or number >= len(self._tiles):
            return
        if number == self._number and event.chain > 1:
            self.action_choose()
        self.go_to(number)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll_rows(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll_rows(event, -1)

    def on_mount(self) -> None:
        if isinstance(self.app, PictureApp):
            self.watch(self.app, "picture_way", lambda: self._draw_missing(again=True), init=False)

    def on_unmount(self) -> None:
        self._forget(self._drawn.values())

    def on_resize(self) -> None:
        self._arrange()
        self._draw_missing(again=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._draw_missing()

    def on_gallery_drawn(self, message: Drawn) -> None:
        tile, drawing = message.tile, message.drawing
        before = self._drawn.get(tile)
        if drawing is before:
            return
        number = self._numbers.get(tile.key)
        if number is None or drawing.place != self._place or tile not in self._in_sight():
            return  # its place, or the way to draw it, has changed meanwhile: it was asked for again
        self._drawn[tile] = drawing
        self._send(drawing.transmit)
        corner = self._corner(number)
        self.refresh(Region(corner.x, corner.y + 1, self._tile.width, self._picture.height))
        if before:
            self.call_after_refresh(self._forget, [before])

    def on_gallery_thread_ended(self) -> None:
        self._threads -= 1
        self._start_threads()

    def render_line(self, y: int) -> Strip:
        row, line = divmod(y + self.scroll_offset.y, self._tile.height)
        tiles = self._tiles[row * self._columns : (row + 1) * self._columns]
        parts = [self._part(tile, line, row * self._columns + at == self._number) for at, tile in enumerate(tiles)]
        return Strip.join(parts).adjust_cell_length(self.size.width, self.rich_style)

    @property
    def _area(self) -> Size:
        """The cells beside the scrollbar."""
        return self.scrollable_content_region.size

    @property
    def _columns(self) -> int:
        return self._fixed_columns or max(self._area.width // LEAST_WIDTH, 1)

    @property
    def _picture(self) -> Size:
        """The cells of a tile's picture: square, as far as that leaves a whole tile in sight."""
        width = max(self._area.width // self._columns - 2, 1)
        return Size(width, max(min((width + 1) // 2, self._area.height - 2), 1))

    @property
    def _tile(self) -> Size:
        """The cells of a tile: its picture within a frame, of which the lower line is the label's."""
        return self._picture + Size(2, 2)

    @property
    def _rows_in_sight(self) -> int:
        return max(self._area.height // self._tile.height, 1)

    def _corner(self, number: int) -> Region:
        """The place of a tile on the screen, as far as it is in sight."""
        row, column = divmod(number, self._columns)
        return Region(column * self._tile.width, row * self._tile.height - self.scroll_offset.y, *self._tile)

    def _arrange(self) -> None:
        rows = -(-len(self._tiles) // self._columns)
        self.virtual_size = Size(self._area.width, rows * self._tile.height)
        self._keep_in_sight()
        self.refresh()

    def _keep_in_sight(self) -> bool:
        """Turn the page to the cursor's row: a page sends every tile once, and row by row it is sent many times."""
        tile, top = self._corner(self._number), self.scroll_offset.y
        if tile.y >= 0 and tile.bottom <= self._area.height:
            return False
        above = 0 if tile.y > 0 else (self._rows_in_sight - 1) * tile.height
        self.scroll_to(y=max(top + tile.y - above, 0), animate=False, force=True, immediate=True)
        return self.scroll_offset.y != top

    def _scroll_rows(self, event: events.MouseEvent, by: int) -> None:
        event.stop()
        event.prevent_default()
        self.scroll_to(y=self.scroll_offset.y + by * self._tile.height, animate=False, force=True, immediate=True)

    def _refresh_frame(self, number: int) -> None:
        corner = self._corner(number)
        for y in (corner.y, corner.bottom - 1):
            if 0 <= y < self._area.height:
                self.refresh(Region(corner.x, y, corner.width, 1))

    def _part(self, tile: Tile, line: int, is_cursor: bool) -> Strip:
        """One line of a tile."""
        width = self._tile.width
        style = self.get_component_rich_style(f"gallery--{'cursor' if is_cursor else 'label'}")
        if line == 0:
            left, bar, right = ("+-+" if glyphs().is_ascii else "┏━┓") if is_cursor else "   "
            return Strip([Segment(left + bar * (width - 2) + right, style)])
        if line == self._tile.height - 1:
            left, right = ("++" if glyphs().is_ascii else "┗┛") if is_cursor else "  "
            label = Text(visible(tile.label))
            label.truncate(width - 2, overflow="ellipsis", pad=True)
            return Strip([Segment(left + label.plain + right, style)])
        drawing = self._drawn.get(tile)
        lines = drawing.lines if drawing else []
        at = line - 1 - max((self._picture.height - len(lines)) // 2, 0)
        if not 0 <= at < len(lines):
            return Strip.blank(width, self.rich_style)
        return centred(lines[at], width, self.rich_style)

    def _in_sight(self) -> list[Tile]:
        first = self.scroll_offset.y // self._tile.height
        last = (self.scroll_offset.y + self._area.height - 1) // self._tile.height
        return list(self._tiles[first * self._columns : (last + 1) * self._columns])

    def _draw_missing(self, again: bool = False) -> None:
        """Have the pictures of the tiles in sight drawn, and forget the others.  again: their files may be new."""
        in_sight = self._in_sight() if self._area.area else []
        kept = {tile: self._drawn[tile] for tile in in_sight if tile in self._drawn}
        gone = [drawing for tile, drawing in self._drawn.items() if tile not in kept]
        self._drawn = kept
        self._missing = [tile for tile in reversed(in_sight) if again or tile not in kept]
        self.call_after_refresh(self._forget, gone)
        self._start_threads()

    def _forget(self, drawings: Iterable[Drawing]) -> None:
        self._send("".join(drawing.forget for drawing in drawings))

    def _send(self, sequence: str) -> None:
        if isinstance(self.app, PictureApp):
            self.app.send(sequence)

    @property
    def _place(self) -> Place:
        tiles = max(-(-self._area.height // self._tile.height) * self._columns, 1)  # none while it is hidden
        return place_in(self.app, self._picture, MOST_BYTES // tiles, can_float=False)

    def _start_threads(self) -> None:
        while self._missing and self._threads < min(MOST_THREADS, len(self._missing)):
            self._threads += 1
            self._draw_tiles()

    @work(thread=True, group="tiles", exit_on_error=False)
    def _draw_tiles(self) -> None:
        """Draw what is missing, tile by tile; what is missing may change meanwhile."""
        while self.is_attached:
            try:
                tile = self._missing.pop()
            except IndexError:
                break
            self.post_message(self.Drawn(tile, draw(tile.picture, tile.marks, self._place, self._drawn.get(tile))))
        self.post_message(self.ThreadEnded())
