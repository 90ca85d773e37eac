"""What lies behind the subject: its colours where they stand, and its texture, as numbers that can be compared."""

import zlib
from dataclasses import dataclass

import numpy as np

from curation.facts.pixels import Pixels

SIDE = 128
"""Pixels: the square that the photo is shrunk to for colours; GrabCut takes 30 ms at this size."""

TEXTURE_SIDE = 256
CELLS = 3
COLOURS = 512
TEXTURES = 10
MARGIN = 0.15
"""GrabCut starts from a subject within this distance of the frame, as a fraction of it."""

BLACK = 16
"""Brightest grey of a letterbox border, which is no background."""


@dataclass(frozen=True)
class BackgroundFacts:
    """descriptor: see `describe`, to be compared by `similarity`."""

    descriptor: bytes


def measure_background(pixels: Pixels) -> BackgroundFacts:
    """Describe what lies behind the subject of one photo."""
    return BackgroundFacts(describe(pixels.rgb_1024))


def describe(rgb: np.ndarray) -> bytes:
    """The background of a photo, compressed; empty when nothing of it can be seen.  rgb: uint8, (height, width, 3).

    Counts of background pixels, uint16: by Lab colour (8 x 8 x 8) in each cell of a 3 x 3 grid, then by uniform local
    binary pattern. The subject is masked out by GrabCut (Rother et al., 2004), started from the middle of the frame.
    """
    import cv2

    rgb = _without_border(rgb)
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    behind = _background_mask(small)
    if behind.mean() < 0.05:
        return b""
    colour = _lab_bins(small)
    cells = zip(_grid(colour), _grid(behind), strict=True)
    colours = [np.bincount(cell[mask], minlength=COLOURS) for cell, mask in cells]
    larger = cv2.resize(rgb, (TEXTURE_SIDE, TEXTURE_SIDE), interpolation=cv2.INTER_AREA)
    textures = _binary_patterns(cv2.cvtColor(larger, cv2.COLOR_RGB2GRAY))
    where = cv2.resize(behind.astype(np.uint8), (TEXTURE_SIDE, TEXTURE_SIDE), interpolation=cv2.INTER_NEAREST)[
        1:-1, 1:-1
    ]
    counts = [*colours, np.bincount(textures[where > 0], minlength=TEXTURES)]
    return zlib.compress(np.concatenate(counts).astype("<u2").tobytes())


def similarity(one: bytes, other: bytes) -> float:
    """How alike two backgrounds are, from 0 to 1: sqrt(colour x colour by place) x texture, as histogram intersections.

    Colours alone confuse places of one palette, place alone a moved camera, texture alone nearly everything.
    """
    (cells, textures), (other_cells, other_textures) = _counts(one), _counts(other)
    colour = _intersection(cells.sum(axis=0), other_cells.sum(axis=0))
    seen = np.minimum(cells.sum(axis=1), other_cells.sum(axis=1)).astype(float)
    if not seen.any():
        return 0.0
    by_place = [_intersection(mine, theirs) for mine, theirs in zip(cells, other_cells, strict=True)]
    place = float(np.average(by_place, weights=seen))
    return float(np.sqrt(colour * place)) * _intersection(textures, other_textures)


def _without_border(rgb: np.ndarray) -> np.ndarray:
    import cv2

    lit = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) > BLACK
    rows = np.flatnonzero(lit.mean(axis=1) > 0.02)
    columns = np.flatnonzero(lit.mean(axis=0) > 0.02)
    if not rows.size or not columns.size:
        return rgb
    return rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _background_mask(rgb: np.ndarray) -> np.ndarray:
    """True where the background is: bool, (SIDE, SIDE)."""
    import cv2

    mask = np.zeros(rgb.shape[:2], np.uint8)
    edge = round(SIDE * MARGIN)
    cv2.setRNGSeed(0)  # GrabCut draws its first colour clusters: the same photo must give the same facts
    try:
        bgr = np.ascontiguousarray(rgb[:, :, ::-1])
        inner = (edge, edge, SIDE - 2 * edge, SIDE - 2 * edge)
        cv2.grabCut(bgr, mask, inner, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # a flat frame has no two sides to tell apart
        return np.ones(rgb.shape[:2], bool)
    return (mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD)


def _lab_bins(rgb: np.ndarray) -> np.ndarray:
    """The Lab colour bin of each pixel, 0..511; a and b are stretched, as photographs use the middle of their range."""
    import cv2

    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.int64)
    lightness = lab[..., 0] // 32
    a, b = (np.clip((lab[..., channel] - 128) * 2 + 128, 0, 255) // 32 for channel in (1, 2))
    return lightness * 64 + a * 8 + b


def _grid(values: np.ndarray) -> list[np.ndarray]:
    rows = np.array_split(values, CELLS, axis=0)
    return [cell for row in rows for cell in np.array_split(row, CELLS, axis=1)]


def _binary_patterns(grey: np.ndarray) -> np.ndarray:
    """Uniform local binary patterns (Ojala et al., 2002; 8 neighbours, radius 1), 0..9, without the outer pixels."""
    height, width = grey.shape
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    centre = grey[1:-1, 1:-1]
    brighter = np.stack([grey[y : y + height - 2, x : x + width - 2] >= centre for y, x in around])
    changes = (brighter != np.roll(brighter, 1, axis=0)).sum(axis=0)
    return np.where(changes <= 2, brighter.sum(axis=0), TEXTURES - 1)


def _counts(background: bytes) -> tuple[np.ndarray, np.ndarray]:
    counts = np.frombuffer(zlib.decompress(background), "<u2").astype(np.int64)
    return counts[:-TEXTURES].reshape(CELLS * CELLS, COLOURS), counts[-TEXTURES:]


def _intersection(one: np.ndarray, other: np.ndarray) -> float:
    if not one.any() or not other.any():
        return 0.0
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())
