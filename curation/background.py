"""What lies behind the subject: its colours where they stand, and its texture, as numbers that can be compared."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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

LEAST_SEEN = 0.05
"""Share of a photo that its background must have to be described."""

BLACK = 16
"""Brightest grey of a letterbox border, which is no background."""


@dataclass(frozen=True)
class BackgroundFacts:
    """descriptor: see `describe`, to be compared by `similarities`; empty when nothing of the background can be seen.

    brightness, contrast, warmth: of the subject before it, in OpenCV's 8-bit Lab: mean and standard deviation of L (0
    to 255), and mean of b (yellow over blue, -128 to 127).
    """

    descriptor: bytes
    brightness: float = 0.0
    contrast: float = 0.0
    warmth: float = 0.0


def measure_background(pixels: Pixels) -> BackgroundFacts:
    """Tell the subject of one photo from its background, and describe both.

    The subject is masked out by GrabCut (Rother et al., 2004), started from the middle of the frame.
    """
    import cv2

    rgb = _without_border(pixels.rgb_1024)
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    behind = _background_mask(small)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    subject = lab[~behind] if not behind.all() else lab.reshape(-1, 3)
    return BackgroundFacts(
        descriptor=describe(rgb, small, behind) if behind.mean() >= LEAST_SEEN else b"",
        brightness=round(float(subject[:, 0].mean()), 1),
        contrast=round(float(subject[:, 0].std()), 1),
        warmth=round(float(subject[:, 2].mean()) - 128, 1),
    )


def describe(rgb: np.ndarray, small: np.ndarray, behind: np.ndarray) -> bytes:
    """Counts of background pixels, uint16, compressed: by Lab colour (8 x 8 x 8) in each cell of a 3 x 3 grid, then by
    uniform local binary pattern.

    rgb: uint8, (height, width, 3).  small: the same, (SIDE, SIDE, 3).  behind: bool, (SIDE, SIDE).
    """
    import cv2

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


def similarities(descriptors: Sequence[bytes]) -> np.ndarray:
    """How alike backgrounds are, from 0 to 1: float32, (photos, photos), symmetric.

    sqrt(colour x colour by place) x texture, each the intersection of two histograms. Colours alone confuse places of
    one palette, place alone a moved camera, texture alone nearly everything.
    """
    counts = np.stack([np.frombuffer(zlib.decompress(one), "<u2") for one in descriptors]).astype(np.float32)
    cells = counts[:, :-TEXTURES].reshape(len(counts), CELLS * CELLS, COLOURS)
    colours, textures = _shares(cells.sum(axis=1)), _shares(counts[:, -TEXTURES:])
    seen = cells.sum(axis=2)
    used = counts[:, :-TEXTURES].any(axis=0)  # photographs use a tenth of all colours
    places = _shares(cells).reshape(len(counts), -1)[:, used]
    starts = np.concatenate([[0], np.cumsum(used.reshape(CELLS * CELLS, COLOURS).sum(axis=1))])
    alike = np.eye(len(counts), dtype=np.float32)
    for row in range(1, len(counts)):
        colour = np.minimum(colours[row], colours[:row]).sum(axis=1)
        texture = np.minimum(textures[row], textures[:row]).sum(axis=1)
        nearer = np.minimum(places[row], places[:row])
        both = np.minimum(seen[row], seen[:row])
        by_place = [nearer[:, start:end].sum(axis=1) for start, end in pairwise(starts)]
        place = (np.stack(by_place, axis=1) * both).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
        alike[row, :row] = alike[:row, row] = np.sqrt(colour * place) * texture
    return alike


def _shares(counts: np.ndarray) -> np.ndarray:
    """Of the counts along the last axis; zeros where there are none."""
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)


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
