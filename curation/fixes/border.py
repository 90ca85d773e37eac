"""Trimming bars of one colour, to the pixel."""

import math

import numpy as np
from PIL import Image

from curation.facts.borders import EDGE, TOLERANCE, find_borders
from curation.facts.pixels import Pixels
from curation.fixes.box import Box

REACH = 3.0
"""Pixels at a longer side of 1024, around a bar's measured end, in which its exact end is looked for."""


def inside_border(image: Image.Image) -> Box:
    """What is inside the bars, and one more pixel from them, where resizing or JPEG has mixed both.

    The bars are measured as the rule measures them, at 1024 pixels, and their ends are then found in the photo itself.
    """
    bars = find_borders(Pixels(image).rgb_1024)
    rows = np.asarray(image)
    columns = rows.swapaxes(0, 1)
    height, width = rows.shape[:2]
    return Box(
        _depth(columns, bars.left),
        _depth(rows, bars.top),
        width - _depth(columns[::-1], bars.right),
        height - _depth(rows[::-1], bars.bottom),
    )


def _depth(lines: np.ndarray, share: float) -> int:
    """How many of the first lines go. lines: uint8, (lines, pixels, 3). share: of them that the bar was measured to."""
    if not share:
        return 0
    reach = math.ceil(REACH * max(lines.shape[:2]) / 1024)
    measured = round(share * len(lines))
    start = max(0, measured - reach)
    colour = np.median(lines[0], axis=0)
    differs = (np.abs(lines[start : measured + reach].astype(np.int16) - colour) > TOLERANCE).any(axis=2)
    first = np.flatnonzero(differs.mean(axis=1) >= EDGE)
    return (start + int(first[0]) if first.size else measured) + 1
