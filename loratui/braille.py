"""Line plots in braille: each character cell holds two by four dots."""

import math
import sys
from collections.abc import Sequence

Point = tuple[float, float]
Range = tuple[float, float]

BLANK = 0x2800
# Bits of a braille cell, Unicode 15 section 21.1: rows from the top, left and right column.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def plot(
    series: Sequence[Point],
    width: int,
    height: int,
    *,
    x_range: Range | None = None,
    y_range: Range | None = None,
    marks: Sequence[float] = (),
    joined: bool = True,
) -> list[str]:
    """`height` lines of `width` braille cells that show the series, y upwards.

    x_range, y_range: what the edges stand for; the series' own extent when None.  marks: x of dotted vertical lines.
    joined: neighbouring points are connected; otherwise each is a dot.  Points that are not finite leave a gap, points
    outside the ranges are clipped to the edge.
    """
    if width < 1 or height < 1:
        return []
    cells = [[BLANK] * width for _ in range(height)]
    columns, rows = 2 * width, 4 * height

    def light(column: int, row: int) -> None:
        cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]

    x_range = x_range or extent([x for x, _ in series])
    y_range = y_range or extent([y for _, y in series])
    for mark in marks:
        column = _place(mark, x_range, columns)
        for row in range(0, rows, 2):
            light(column, row)

    before: tuple[int, int] | None = None
    for x, y in series:
        if not (math.isfinite(x) and math.isfinite(y)):
            before = None
            continue
        here = (_place(x, x_range, columns), rows - 1 - _place(y, y_range, rows))
        for column, row in _between(before, here) if joined and before else [here]:
            light(column, row)
        before = here
    return ["".join(map(chr, line)) for line in cells]


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
