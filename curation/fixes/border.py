"""Trimming bars of one colour, to the pixel."""

import math

import numpy as np
from PIL import Image

from curation.facts.borders import EDGE, TOLERANCE
from curation.fixes.box import Box
from curation.report import Region

REACH = 3.0
"""Pixels at a longer side of 1024, where bars are measured, within which a bar's exact end lies around its measured."""

RISE = 4
"""Pixels within which the picture has risen from the bar."""


def inside_border(image: Image.Image, picture: Region) -> Box:
    """What is inside the bars, and one more pixel from them, where resizing or JPEG has mixed both.

    image: 8-bit RGB, upright.  picture: what the rule measured to lie inside, at reduced scale.
    """
    rows = np.asarray(image)
    columns = rows.swapaxes(0, 1)
    height, width = rows.shape[:2]
    return Box(
        _depth(columns, picture.left),
        _depth(rows, picture.top),
        width - _depth(columns[::-1], 1 - picture.left - picture.width),
        height - _depth(rows[::-1], 1 - picture.top - picture.height),
    )


def _depth(lines: np.ndarray, share: float) -> int:
    """How many of the first lines go. lines: uint8, (lines, pixels, 3). share: of them that the bar was measured as."""
    measured = round(share * len(lines))
    if not measured:
        return 0
    reach = math.ceil(REACH * max(lines.shape[:2]) / 1024)
    start = max(0, measured - reach)
    colour = np.median(lines[0], axis=0)
    differs = np.abs(lines[start : measured + reach + RISE].astype(np.int16) - colour).max(axis=2)
    full = np.flatnonzero((differs > TOLERANCE).mean(axis=1) >= EDGE)
    if not full.size:
        return measured + 1
    # JPEG halves the resolution of colours, so a little of the picture lies in the bar's last line: seek half of it.
    rise = np.median(differs[full[0] : full[0] + RISE], axis=1)
    return start + int(full[0]) + int(np.argmax(rise >= rise.max() / 2)) + 1
