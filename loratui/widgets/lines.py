"""Lines that change a little at a time: only the cells that differ are sent over the line."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

GAP = 8  # so many equal cells between two changed ones cost less than saying where the second one is

Cell = tuple[str, Style | None]


class Lines(Widget):
    """A widget that draws whole lines. Subclasses give `drawn`, and call `redraw` when it would give others."""

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []

    def drawn(self, width: int, height: int) -> Sequence[Strip]:
        """Its lines now, for so many cells."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Send what has changed."""
        if not self.is_attached or not self.size.area:
            return
        before, self._strips = self._strips, self._now()
        if len(before) != len(self._strips):
            self.refresh()
        elif regions := list(changed(before, self._strips)):
            self.refresh(*regions)

    def on_resize(self) -> None:
        self._strips = self._now()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.is_attached and self.size.area:
            self._strips = self._now()

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _now(self) -> list[Strip]:
        width, height = self.size
        return [strip.adjust_cell_length(width, self.rich_style) for strip in self.drawn(width, height)[:height]]


def changed(before: Sequence[Strip], now: Sequence[Strip]) -> Iterator[Region]:
    """Where lines differ, in as few regions as are worth it."""
    for y, (old, new) in enumerate(zip(before, now, strict=True)):
        if old is new or old == new:
            continue
        start = end = -1
        for x, (one, other) in enumerate(zip(_cells(old), _cells(new), strict=False)):
            if one == other:
                continue
            if start >= 0 and x - end > GAP:
                yield Region(start, y, end + 1 - start, 1)
                start = -1
            start, end = x if start < 0 else start, x
        if start >= 0:
            yield Region(start, y, end + 1 - start, 1)


def _cells(strip: Strip) -> Iterator[Cell]:
    """What stands in each cell; a wide character in both of its own."""
    for text, style, _ in strip:
        for character in text:
            for _ in range(1 if character.isascii() else cell_len(character)):
                yield character, style
