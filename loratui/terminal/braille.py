"""Plots in braille, where each character cell holds two by four dots; or in ASCII, where it holds one sign."""

import math
import sys
from collections.abc import Sequence
from typing import Literal

Point = tuple[float, float]
Range = tuple[float, float]
Pattern = Literal["line", "dots", "dashes"]

BLANK = 0x2800
# Bits of a braille cell, Unicode 15 section 21.1: rows from the top, left and right column.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
ASCII_SIGNS: dict[Pattern, str] = {"line": "*", "dots": ".", "dashes": "-"}
ASCII_MARK = ":"
DASH = 4  # columns of dots that are drawn, and as many that are not


def plot(
    series: Sequence[Point],
    width: int,
    height: int,
    *,
    x_range: Range | None = None,
    y_range: Range | None = None,
    marks: Sequence[float] = (),
    pattern: Pattern = "line",
    in_ascii: bool = False,
) -> list[str]:
    """`height` lines of `width` cells that show the series, y upwards.

    x_range, y_range: what the edges stand for; the series' own extent when None.  marks: x of dotted vertical lines.
    pattern: "line" joins neighbouring points, "dashes" does so with gaps, and of "dots" each is one.  Points that are
    not finite leave a gap, points outside the ranges are clipped to the edge.
    """
    if width < 1 or height < 1:
        return []
    x_range = x_range or extent([x for x, _ in series])
    y_range = y_range or extent([y for _, y in series])
    if in_ascii:
        cells = [[" "] * width for _ in range(height)]
        for mark in marks:
            for line in cells:
                line[_place(mark, x_range, width)] = ASCII_MARK
        for column, row in _dots(series, x_range, y_range, width, height, pattern):
            cells[row][column] = ASCII_SIGNS[pattern]
        return ["".join(line) for line in cells]
    columns, rows = 2 * width, 4 * height
    bits = [[BLANK] * width for _ in range(height)]
    marked = {_place(mark, x_range, columns) for mark in marks}
    for column, row in {(column, row) for column in marked for row in range(0, rows, 2)}.union(
        _dots(series, x_range, y_range, columns, rows, pattern)
    ):
        bits[row // 4][column // 2] |= DOTS[row % 4][column % 2]
    return ["".join(map(chr, line)) for line in bits]


def place(value: float, limits: Range, width: int) -> int:
    """The cell, of `width` in a row, that a plot of that width draws `value` in."""
    return _place(value, limits, 2 * width) // 2


def extent(values: Sequence[float]) -> Range:
    """The smallest and largest finite value, kept apart when they are equal; (0, 1) when there is none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if high > low:
        return low, high
    margin = abs(low) / 2 or 0.5
    largest = sys.float_info.max
    return max(low - margin, -largest), min(high + margin, largest)


def _dots(
    series: Sequence[Point], x_range: Range, y_range: Range, columns: int, rows: int, pattern: Pattern
) -> set[tuple[int, int]]:
    """The columns and rows that are lit, row 0 on top."""
    lit: set[tuple[int, int]] = set()
    before: tuple[int, int] | None = None
    for x, y in series:
        if not (math.isfinite(x) and math.isfinite(y)):
            before = None
            continue
        here = (_place(x, x_range, columns), rows - 1 - _place(y, y_range, rows))
        if here != before:
            lit.update(_between(before, here) if before and pattern != "dots" else (here,))
        before = here
    if pattern == "dashes":
        return {dot for dot in lit if dot[0] // DASH % 2 == 0}
    return lit


def _place(value: float, limits: Range, places: int) -> int:
    """The dot, of `places` in a row, that stands for `value`."""
    low, half = limits[0] / 2, limits[1] / 2 - limits[0] / 2  # halved, for the whole range may be no number
    share = (value / 2 - low) / half if half > 0 else 0.5
    return round(min(max(share, 0.0), 1.0) * (places - 1))


def _between(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots of a straight line, both ends included."""
    (x0, y0), (x1, y1) = start, end
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    return [(x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)) for step in range(steps + 1)]
