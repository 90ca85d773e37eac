"""Which photos have the colours of which others, found without comparing every pair."""

from collections.abc import Sequence

import numpy as np

DIMENSIONS = 8
"""In which photos are looked up: those along which their colours differ most."""

NEIGHBOURS = 32
"""Most alike photos that are considered for each."""


def like_coloured(colours: Sequence[bytes], alike: float) -> np.ndarray:
    """int64, (pairs, 2): positions i < j of photos whose colours are alike, the most alike first.

    colours: see curation.facts.hashes.colour_counts.  alike: least Bhattacharyya coefficient, to 1 for the same.
    """
    from scipy.spatial import KDTree

    if len(colours) < 2:
        return np.empty((0, 2), np.int64)
    points = np.frombuffer(b"".join(colours), np.uint8).reshape(len(colours), -1).astype(np.float32)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1.0)
    # Seen along fewer dimensions no two points are farther apart, so that none within reach is missed.
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    seen = centred @ axes[:, -DIMENSIONS:]
    reach = float(np.sqrt(2 - 2 * alike))
    count = min(NEIGHBOURS + 1, len(points))
    _, nearest = KDTree(seen).query(seen, k=count, distance_upper_bound=reach)
    rows = np.repeat(np.arange(len(points)), count)
    pairs = np.stack([rows, nearest.ravel()], axis=1)
    pairs = np.sort(pairs[pairs[:, 1] < len(points)], axis=1)  # the tree says "none" by the number of points
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    likeness = np.einsum("ij,ij->i", points[pairs[:, 0]], points[pairs[:, 1]])
    best_first = np.argsort(-likeness, kind="stable")
    return pairs[best_first[likeness[best_first] >= alike]]
