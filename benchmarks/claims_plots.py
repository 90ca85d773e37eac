"""A plot as SVG text: one row for each condition, one panel of bars for each measure."""

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.claims_verdicts import Spread

LABELS, PANEL, GAP, ROW, TOP, BOTTOM = 190, 120, 26, 24, 30, 22
"""Widths of the labels and of a panel, what lies between panels, heights of a row, of the titles and of the scale."""
BAR, DOT, REST = "#a9c6e3", "#1b2a41", "#e3e7ec"


def plot(measures: Sequence[str], rows: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Bars up to the mean, a line of a standard deviation either way, and a dot for each value.

    measures: titles of the panels.  rows: by label, of each measure the values, from 0 to 1; none draw no bar.
    """
    width, height = LABELS + len(measures) * (PANEL + GAP), TOP + len(rows) * ROW + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{DOT}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for column, measure in enumerate(measures):
        parts += _panel(measure, LABELS + column * (PANEL + GAP), height)
    for number, (label, values) in enumerate(rows.items()):
        y = TOP + number * ROW
        parts.append(_text(LABELS - 8, y + ROW / 2 + 4, label, "end"))
        for column, of_measure in enumerate(values):
            parts += _bar(LABELS + column * (PANEL + GAP), y, of_measure)
    return "\n".join([*parts, "</svg>\n"])


def _panel(title: str, left: float, height: float) -> list[str]:
    """The title above, the scale below."""
    marks = [(left + share * PANEL, f"{share:g}") for share in (0, 0.5, 1)]
    lines = [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}" stroke="{REST}"/>' for x, _ in marks]
    scale = [_text(x, height - 6, mark, "middle") for x, mark in marks]
    return [_text(left + PANEL / 2, TOP - 11, title, "middle"), *lines, *scale]


def _bar(left: float, y: float, values: Sequence[float]) -> list[str]:
    if not values:
        return [_text(left + 4, y + ROW / 2 + 4, "-", "start")]
    spread, middle = Spread.of(values), y + ROW / 2

    def at(value: float) -> str:
        return f"{left + min(1.0, max(0.0, value)) * PANEL:.1f}"

    low, high = at(spread.mean - spread.deviation), at(spread.mean + spread.deviation)
    return [
        f'<rect x="{left}" y="{y + 5}" width="{float(at(spread.mean)) - left:.1f}" height="{ROW - 10}" fill="{BAR}"/>',
        f'<line x1="{low}" x2="{high}" y1="{middle}" y2="{middle}" stroke="{DOT}" stroke-width="1.5"/>',
        *(f'<circle cx="{at(value)}" cy="{middle}" r="2.2" fill="white" stroke="{DOT}"/>' for value in values),
    ]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
