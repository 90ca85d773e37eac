"""A plot of a run's steps, told apart by line, dots and dashes, of which only the changed cells are sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from rich.segment import Segment
from textual.strip import Strip

from loratui.runs.axes import Axis, axis_of, steps_between
from loratui.terminal.braille import BLANK, Pattern, Point, Range, place, plot
from loratui.terminal.glyphs import glyphs
from loratui.widgets.lines import Lines

LABEL_WIDTH = 9  # with the axis
ROWS_A_TICK = 3
COLUMNS_A_TICK = 12
NOTHING = (chr(BLANK), " ")


@dataclass(frozen=True)
class Line:
    """Values by step, and how they are drawn."""

    points: Sequence[Point]
    pattern: Pattern = "line"


@dataclass(frozen=True)
class AxisMark:
    """A dotted vertical line at a step, and the word under it."""

    x: float
    word: str


class Plot(Lines):
    """Values by step, the first line in front; y on the left, steps and marks below."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"plot--line", "plot--dots", "plot--dashes", "plot--mark", "plot--label"}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._x_range: Range = (0.0, 1.0)
        self._marks: tuple[AxisMark, ...] = ()
        self._log = False

    def show(self, lines: Iterable[Line], x_range: Range, marks: Iterable[AxisMark] = (), log: bool = False) -> None:
        """Draw what of these lines lies within `x_range`. log: on a logarithmic y axis, without what is not above 0."""
        first, last = x_range
        self._lines = tuple(
            Line([point for point in line.points if first <= point[0] <= last], line.pattern) for line in lines
        )
        self._x_range = (first, max(last, first + 1))
        self._marks = tuple(mark for mark in marks if first <= mark.x <= last)
        self._log = log
        self.redraw()

    def drawn(self, width: int, height: int) -> list[Strip]:
        inner, rows = width - LABEL_WIDTH, height - 1
        if inner < 2 or rows < 2:
            return []
        axis = axis_of([y for line in self._lines for _, y in line.points], max(rows // ROWS_A_TICK, 2), self._log)
        layers = [self._layer(line, axis, inner, rows) for line in self._lines]
        names = [line.pattern for line in self._lines]
        if self._marks:
            steps = [mark.x for mark in self._marks]
            layers.append(plot((), inner, rows, x_range=self._x_range, marks=steps, in_ascii=glyphs().is_ascii))
        styles = [self.get_component_rich_style(f"plot--{name}") for name in (*names, "mark", "label")]
        labels = self._labels(axis, rows)
        edge = "|" if glyphs().is_ascii else "▏"
        strips = []
        for row in range(rows):
            label = Segment(f"{labels.get(row, ''):>{LABEL_WIDTH - 2}} {edge}", styles[-1])
            lines = [layer[row] for layer in layers]
            strips.append(Strip([label, *(Segment(text, styles[layer]) for text, layer in _in_front(lines, inner))]))
        strips.append(Strip([Segment(" " * LABEL_WIDTH + self._steps(inner), styles[-1])]))
        return strips

    def _layer(self, line: Line, axis: Axis, width: int, height: int) -> list[str]:
        return plot(
            [(x, axis.at(y)) for x, y in line.points],
            width,
            height,
            x_range=self._x_range,
            y_range=axis.limits,
            pattern=line.pattern,
            in_ascii=glyphs().is_ascii,
        )

    def _labels(self, axis: Axis, rows: int) -> dict[int, str]:
        """What is written beside which row; nothing where nothing is drawn."""
        if not any(line.points for line in self._lines):
            return {}
        low, high = axis.limits
        ticks = ((tick, axis.at(tick)) for tick in axis.ticks)
        return {round((high - at) / (high - low) * (rows - 1)): _number(tick) for tick, at in ticks}

    def _steps(self, width: int) -> str:
        """The line below the plot: the marks' words, then as many steps as fit beside them."""
        line = [" "] * width
        words = [(mark.x, mark.word) for mark in self._marks]
        ends = [(step, f"{step:g}") for step in (self._x_range[1], self._x_range[0])]
        ticks = [(step, str(step)) for step in steps_between(self._x_range, width // COLUMNS_A_TICK)]
        for x, word in (*words, *ends, *ticks):
            centre = place(x, self._x_range, width)
            start = min(max(centre - len(word) // 2, 0), width - len(word))
            around = line[max(start - 2, 0) : start + len(word) + 2]
            if start >= 0 and not "".join(around).strip():
                line[start : start + len(word)] = word
        return "".join(line)


def _in_front(lines: Sequence[str], width: int) -> Iterator[tuple[str, int]]:
    """Of layers of one line, the text that is seen and the number of its layer; where there is none, the last one's."""
    last = max(len(lines) - 1, 0)

    def layer(x: int) -> int:
        return next((number for number, line in enumerate(lines) if line[x] not in NOTHING), last)

    for number, cells in groupby(range(width), layer):
        yield "".join(lines[number][x] if lines else " " for x in cells).replace(NOTHING[0], " "), number


def _number(value: float) -> str:
    return f"{value:.3g}" if value else "0"
