"""A line plot that repaints only the lines that changed."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from loratui.braille import Point, extent, plot

LABEL_WIDTH = 9
NOTHING = "\u2800"


class Plot(Widget):
    """One or two series by step: `line` joined and bright, `dots` behind it, single and dim. Labels on the left."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"plot--line", "plot--dots", "plot--label"}

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._line: Sequence[Point] = ()
        self._dots: Sequence[Point] = ()
        self._last_x = 1.0
        self._marks: Sequence[float] = ()
        self._strips: list[Strip] = []

    def show(self, line: Sequence[Point], dots: Sequence[Point], last_x: float, marks: Sequence[float]) -> None:
        """Draw the series over x from 0 to `last_x`, with dotted vertical lines at `marks`."""
        self._line, self._dots, self._last_x, self._marks = line, dots, last_x, marks
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._draw()

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self) -> None:
        before, self._strips = self._strips, self._drawn()
        if len(before) != len(self._strips):
            self.refresh()
            return
        changed = [y for y, pair in enumerate(zip(before, self._strips, strict=True)) if pair[0] != pair[1]]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def _drawn(self) -> list[Strip]:
        width, height = self.size.width - LABEL_WIDTH, self.size.height
        if width < 2 or height < 2:
            return []
        low, high = extent([y for _, y in (*self._line, *self._dots)])
        x_range = (0.0, max(self._last_x, 1.0))
        front = plot(self._line, width, height, x_range=x_range, y_range=(low, high))
        back = plot(self._dots, width, height, x_range=x_range, y_range=(low, high), marks=self._marks, joined=False)
        labels = [""] * height
        if self._line or self._dots:
            labels[0], labels[-1] = f"{high:.3g}", f"{low:.3g}"
        style = {name: self.get_component_rich_style(f"plot--{name}") for name in ("line", "dots", "label")}
        return [
            Strip(
                [
                    Segment(f"{label:>{LABEL_WIDTH - 2}} ▏", style["label"]),
                    *_cells(top, under, style["line"], style["dots"]),
                ]
            )
            for label, top, under in zip(labels, front, back, strict=True)
        ]


def _cells(top: str, under: str, line_style: Style, dots_style: Style) -> Iterator[Segment]:
    """The cells of one line: where the joined line passes, it hides the dots under it."""
    for in_front, pairs in groupby(zip(top, under, strict=True), lambda pair: pair[0] != NOTHING):
        text = "".join(pair[not in_front] for pair in pairs).replace(NOTHING, " ")
        yield Segment(text, line_style if in_front else dots_style)
