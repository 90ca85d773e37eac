"""A photo as large as its place allows, with boxes drawn on it; decoded and scaled away from the UI's thread."""

from collections.abc import Sequence

from textual import work
from textual.errors import NoWidget
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from loratui.picture_app import PictureApp
from loratui.terminal.pictures import Mark
from loratui.widgets.drawing import Drawing, Picture, Place, centred, draw, place_in

__all__ = ["Mark", "PictureView"]

PATIENCE_SECONDS = 0.3
"""How long the former picture stays while the next one is decoded."""
SETTLE_SECONDS = 0.05
"""A screen that comes up is drawn more than once, and each time wipes what was drawn over its cells."""


class PictureView(Widget):
    """Shows one photo centred, or the sentence that says why it cannot be shown."""

    class Drawn(Message, bubble=False):
        """A picture is ready.  wanted: what it was made for."""

        def __init__(self, wanted: object, drawing: Drawing) -> None:
            super().__init__()
            self.wanted, self.drawing = wanted, drawing

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._picture: Picture | None = None
        self._marks: tuple[Mark, ...] = ()
        self._wanted: object = None
        self._is_drawing = False
        self._drawing = Drawing(Place(self.size))
        self._awaits_sixel = False

    def show(self, picture: Picture | None, marks: Sequence[Mark] = ()) -> None:
        """Show this picture with boxes drawn on it, or nothing. A file is read again when it has changed."""
        self._picture, self._marks = picture, tuple(marks)
        self._begin()

    def on_mount(self) -> None:
        if isinstance(self.app, PictureApp):
            self.watch(self.app, "picture_way", self._begin, init=False)

    def on_unmount(self) -> None:
        self._send(self._drawing.forget)

    def on_resize(self) -> None:
        self._begin()

    def on_picture_view_drawn(self, message: Drawn) -> None:
        self._is_drawing = False
        if message.wanted is self._wanted:
            self._wanted = None
            self._put(message.drawing)
        else:
            self._draw_next()

    def render_lines(self, crop: Region) -> list[Strip]:
        if self._drawing.sixel and not self._awaits_sixel:
            self._awaits_sixel = True
            self.set_timer(SETTLE_SECONDS, self._draw_sixel)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        line = self._line(self._drawing, y)
        if line is None:
            return Strip.blank(self.size.width, self.rich_style)
        return centred(line, self.size.width, self.rich_style)

    def _line(self, drawing: Drawing, y: int) -> Strip | None:
        """What a drawing, in the middle of the view, has on a line of it."""
        at = y - self._top(drawing)
        return drawing.lines[at] if 0 <= at < len(drawing.lines) else None

    def _top(self, drawing: Drawing) -> int:
        """The view's line that holds a drawing's first one."""
        return max((self.size.height - len(drawing.lines)) // 2, 0)

    def _begin(self) -> None:
        self._wanted = None
        if self._picture is None:
            self._put(Drawing(Place(self.size)))
        elif self.size.area:
            wanted = self._wanted = object()
            self._draw_next()
            self.set_timer(PATIENCE_SECONDS, lambda: self._lose_patience(wanted))

    def _lose_patience(self, wanted: object) -> None:
        """Take away the former picture: it would be taken for that of the next name."""
        if self._wanted is wanted:
            self._put(Drawing(Place(self.size)))

    def _draw_next(self) -> None:
        """One at a time: who leafs through large photos wants the one arrived at, not all that were passed."""
        if not self._is_drawing and self._wanted and self._picture:
            self._is_drawing = True
            self._draw(self._wanted, self._picture, self._marks, place_in(self.app, self.size))

    @work(thread=True, group="picture", exit_on_error=False)
    def _draw(self, wanted: object, picture: Picture, marks: tuple[Mark, ...], place: Place) -> None:
        self.post_message(self.Drawn(wanted, draw(picture, marks, place, self._drawing)))

    def _put(self, drawing: Drawing) -> None:
        before, self._drawing = self._drawing, drawing
        if drawing is before:
            return
        self._send(drawing.transmit)
        floats = drawing.sixel or before.sixel  # over lines that look the same
        for y in range(self.size.height):
            if floats or self._line(drawing, y) != self._line(before, y):
                self.refresh(Region(0, y, self.size.width, 1))
        self.call_after_refresh(self._send, before.forget)

    def _draw_sixel(self) -> None:
        """Draw over the lines, which were just sent, unless something else is drawn over them."""
        self._awaits_sixel = False
        lines = self._drawing.lines
        if not self._drawing.sixel or not lines or self.screen is not self.app.screen:
            return
        left = max((self.size.width - lines[0].cell_length) // 2, 0)
        picture = Region(left, self._top(self._drawing), lines[0].cell_length, len(lines)).translate(
            self.content_region.offset
        )
        if _is_free(self, picture):
            self._send(self._drawing.sixel_at(picture.offset))

    def _send(self, sequence: str) -> None:
        if isinstance(self.app, PictureApp):
            self.app.send(sequence)


def _is_free(widget: Widget, region: Region) -> bool:
    """Whether a region of the widget is in sight as a whole, with nothing over it: no toast, no list that opened."""
    screen = widget.screen
    try:
        own = screen.find_widget(widget)
    except NoWidget:
        return False
    if not own.visible_region.contains_region(region):
        return False
    for other in screen.walk_children():
        if not isinstance(other, Widget) or not other.visible or other in widget.ancestors_with_self:
            continue
        try:
            place = screen.find_widget(other)
        except NoWidget:
            continue
        if place.order > own.order and place.visible_region.overlaps(region):
            return False
    return True
