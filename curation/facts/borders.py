"""Bars of one colour around a picture: letterboxes, pillarboxes, frames."""

from dataclasses import dataclass

import numpy as np

TOLERANCE = 12
"""Of 255, from the bar's colour: what JPEG adds to a bar of one colour."""

STRAY = 0.02
"""Of the pixels of a line in a bar, that may differ from its colour all the same."""

EDGE = 0.6
"""Of the pixels of the picture's first line, that must differ: a subject before a plain backdrop begins with few."""

RINGS = 24
"""Lines of a bar that JPEG may spoil before its end: two of its blocks, in a photo that was enlarged to be measured."""

STEP = 6
"""Lines in which the picture's first line rises from the bar. A backdrop that grows darker takes more."""


CERTAIN = 2
"""Of 255, that all of the outermost line may differ from its colour where only one side has a bar; that side may not be
white, as a burnt-out sky over a straight horizon is."""


@dataclass(frozen=True)
class Borders:
    """The bars' widths, as fractions of the photo's width (left, right) and height (top, bottom); 0 for none."""

    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0


def find_borders(rgb: np.ndarray) -> Borders:
    """Find bars at the edges. rgb: uint8, (height, width, 3). A bar usually has another one on the opposite side."""
    sideways = rgb.swapaxes(0, 1)
    left, right = _pair(sideways, sideways[::-1])
    top, bottom = _pair(rgb, rgb[::-1])
    return Borders(left, top, right, bottom)


def _pair(one: np.ndarray, opposite: np.ndarray) -> tuple[float, float]:
    """The depths of the bars on two opposite sides, each seen as the picture's first rows."""
    depths = _depth(one), _depth(opposite)
    if all(depths):
        return depths
    return depths[0] if _is_certain(one) else 0.0, depths[1] if _is_certain(opposite) else 0.0


def _is_certain(rgb: np.ndarray) -> bool:
    colour = np.median(rgb[0], axis=0)
    return bool(colour.min() <= 255 - TOLERANCE and np.abs(rgb[0] - colour).max() <= CERTAIN)


def _depth(rgb: np.ndarray) -> float:
    """Of the bar along the first row, as a fraction of the rows."""
    colour = np.median(rgb[0], axis=0)
    if _differing(rgb[:1], colour)[0] > STRAY:
        return 0.0
    differing = _differing(rgb[: len(rgb) // 2], colour)
    stray = np.flatnonzero(differing > STRAY)
    if not stray.size:
        return 0.0
    full = np.flatnonzero(differing[stray[0] : stray[0] + RINGS] >= EDGE)
    if not full.size:
        return 0.0
    first = int(stray[0] + full[0])
    before, after = (rgb[row].astype(np.int16) for row in (max(0, first - STEP + 1), first + 1))
    rises = np.abs(after - before).max(axis=1) > TOLERANCE
    return first / len(rgb) if rises.mean() >= EDGE else 0.0


def _differing(rows: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The share of each row's pixels that are not of that colour, float64, (rows,)."""
    import cv2

    if not len(rows):
        return np.zeros(0)
    same = cv2.inRange(np.ascontiguousarray(rows), colour - TOLERANCE, colour + TOLERANCE)
    return 1 - cv2.reduce(same, 1, cv2.REDUCE_AVG, dtype=cv2.CV_64F).ravel() / 255
