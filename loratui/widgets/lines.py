"""Lines that change a little at a time: only those that differ are drawn again."""

from collections.abc import Sequence

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Lines(Widget):
    """A widget that draws whole lines. Subclasses give `drawn`, and call `redraw` when it would give others."""

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []

    def drawn(self, width: int, height: int) -> Sequence[Strip]:
        """Its lines now, for so many cells."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw the lines that have changed."""
        if not self.is_attached or not self.size.area:
            return
        before, self._strips = self._strips, self._now()
        if len(before) != len(self._strips):
            self.refresh()
            return
        pairs = enumerate(zip(before, self._strips, strict=True))
        changed = [Region(0, y, self.size.width, 1) for y, (old, new) in pairs if old != new]
        if changed:
            self.refresh(*changed)

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
