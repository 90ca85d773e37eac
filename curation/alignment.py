"""How one photo lies on another: found by keypoints, confirmed by the pixels."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curation.errors import CurationError
from curation.photo import load, load_rgb

SIDE = 512
"""Pixels of the longer side, at which keypoints are looked for."""

KEYPOINTS = 500

RATIO = 0.75
"""A match counts when the next best one is so much worse (Lowe, 2004; 0.75 is usual for SIFT)."""

TOLERANCE = 3.0
"""Pixels by which a matched point may miss its place."""

FEWEST = 8
"""Matches, below which no alignment is looked for."""

REMEMBERED = 256
"""Photos whose keypoints are kept for their next pair, of 0.3 MB each."""


@dataclass(frozen=True)
class Alignment:
    """How a second photo lies on a first one, turned, scaled and moved.

    inliers: keypoints that agree on it.  scale: of the second photo's longer side, seen as 1 in the first.
    overlap: share of the first photo's area that the second covers.  left, top, width, height: the box of that area,
    as fractions of the first photo.
    agreement: correlation of the greys there, -1 to 1; that of one picture is 1 but for compression.
    """

    inliers: int = 0
    scale: float = 1.0
    overlap: float = 0.0
    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0
    agreement: float = 0.0


@dataclass(frozen=True)
class _Keypoints:
    """grey: uint8, (height, width).  points: float32, (n, 2), x and y.  descriptors: uint8, (n, 128)."""

    grey: np.ndarray
    points: np.ndarray
    descriptors: np.ndarray


def hash_pixels(path: Path) -> str | None:
    """A hash of all pixels of a photo, whole and upright, whatever its format; None when it cannot be read."""
    try:
        image = load_rgb(path)
    except CurationError:
        return None
    return hashlib.blake2b(f"{image.size}".encode() + image.tobytes(), digest_size=16).hexdigest()


class Aligner:
    """Aligns photos in pairs, and remembers a bounded number of them for their next pair."""

    def __init__(self) -> None:
        self._keypoints = functools.lru_cache(REMEMBERED)(_keypoints)

    def align(self, first: Path, second: Path) -> Alignment | None:
        """Lay the second photo on the first one; None when one of them cannot be read."""
        one, other = self._keypoints(first), self._keypoints(second)
        return None if one is None or other is None else _align(one, other)


def _keypoints(path: Path) -> _Keypoints | None:
    import cv2

    try:
        rgb = np.asarray(load(path, SIDE // 2).image)
    except CurationError:
        return None
    scale = SIDE / max(rgb.shape)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    points, descriptors = cv2.SIFT_create(KEYPOINTS).detectAndCompute(grey, None)  # type: ignore[call-overload]
    if descriptors is None:
        descriptors = np.empty((0, 128), np.float32)
    places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
    return _Keypoints(grey, places, descriptors.astype(np.uint8))  # SIFT's numbers are whole, up to 255


def _align(one: _Keypoints, other: _Keypoints) -> Alignment:
    import cv2

    if min(len(one.points), len(other.points)) < FEWEST:
        return Alignment()
    nearest = cv2.BFMatcher().knnMatch(*(both.descriptors.astype(np.float32) for both in (other, one)), k=2)
    matches = [best for best, next_best in nearest if best.distance < RATIO * next_best.distance]
    if len(matches) < FEWEST:
        return Alignment()
    sources = other.points[[match.queryIdx for match in matches]]
    targets = one.points[[match.trainIdx for match in matches]]
    cv2.setRNGSeed(0)  # RANSAC draws: the same pair must give the same facts
    matrix, inliers = cv2.estimateAffinePartial2D(
        sources, targets, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=2000, confidence=0.995
    )
    if matrix is None:
        return Alignment()
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    covered, agreement = _compared(one.grey, other.grey, matrix)
    if not covered.any():
        return Alignment()
    rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    height, width = covered.shape
    return Alignment(
        inliers=int(inliers.sum()),
        scale=round(scale, 4),
        overlap=round(float(covered.mean()), 4),
        left=round(int(columns[0]) / width, 4),
        top=round(int(rows[0]) / height, 4),
        width=round(int(columns[-1] + 1 - columns[0]) / width, 4),
        height=round(int(rows[-1] + 1 - rows[0]) / height, 4),
        agreement=round(agreement, 4),
    )


def _compared(one: np.ndarray, other: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Where `other` covers `one` when it is laid there (bool, as `one`), and the correlation of the two there."""
    import cv2

    size = one.shape[1], one.shape[0]
    covered = cv2.warpAffine(np.full(other.shape, 255, np.uint8), matrix, size) == 255
    laid = cv2.warpAffine(cv2.blur(other, (5, 5)), matrix, size)
    values = np.stack([cv2.blur(one, (5, 5))[covered], laid[covered]]).astype(np.float32)
    if not values.size:
        return covered, 0.0
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.square(values).sum(axis=1))
    product = float(lengths[0] * lengths[1])
    return covered, min(1.0, float(values[0] @ values[1]) / product) if product else 0.0
