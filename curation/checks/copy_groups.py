"""Which photos of a set are one photo: the same, nearly so, mirrored, or cut; worked out once for every rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from curation.alignment import Alignment
from curation.copies import CopyFacts
from curation.near_index import NearIndex, Reach

if TYPE_CHECKING:
    from curation.checks.rule import Measured

INLIERS, AGREEMENT = 20, 0.95
"""What an alignment must have at least to tell a cut from another photo of the same place; see DUP004."""


class CopyGroups:
    """The copies among readable photos; each group has the photo to keep first.

    index: of the photos' hashes, by position.  copies: what was measured on pairs.
    """

    def __init__(self, photos: Sequence[Measured], index: NearIndex, copies: CopyFacts) -> None:
        self._photos, self._index, self._copies = photos, index, copies
        self._near: dict[Reach, list[list[Measured]]] = {}

    @cached_property
    def exact(self) -> list[list[Measured]]:
        """Photos by equal pixels."""
        groups: dict[str, list[Measured]] = {}
        for measured in self._photos:
            sha256 = measured.facts.file.sha256
            groups.setdefault(self._copies.pixels.get(sha256, sha256), []).append(measured)
        return [sorted(group, key=_keep_first) for group in groups.values()]

    def near(self, reach: Reach = Reach()) -> list[list[Measured]]:  # noqa: B008 - a frozen value
        """Photos linked by like hashes; of equal pixels one stands for all."""
        if reach not in self._near:
            firsts = {group[0].name for group in self.exact}
            linked = _linked(self._photos, self._index.pairs(reach))
            groups = [[measured for measured in group if measured.name in firsts] for group in linked]
            self._near[reach] = [group for group in groups if group]
        return self._near[reach]

    def mirrored(self, reach: Reach = Reach()) -> list[list[Measured]]:  # noqa: B008 - a frozen value
        """Photos linked by like hashes of one and the mirrored other; copies the same way round are counted once."""
        groups = self.near()
        group_of = {measured.name: number for number, group in enumerate(groups) for measured in group}
        positions = [group_of.get(measured.name, -1) for measured in self._photos]
        links = np.array(positions, np.int64)[self._index.pairs(reach, mirrored=True)]
        return _linked([group[0] for group in groups], links[(links >= 0).all(axis=1)])

    def shifted(
        self, inliers: int = INLIERS, agreement: float = AGREEMENT
    ) -> Iterator[tuple[tuple[Measured, Measured], Alignment]]:
        """Pairs of photos, the second a shifted or cropped copy of the first, and how it lies there.

        Of equal pixels the one to keep stands for all.
        """
        by_content = {copy.facts.file.sha256: group[0] for group in self.exact for copy in group}
        for (one, other), alignment in sorted(self._copies.alignments.items()):
            enough = alignment.inliers >= inliers and alignment.agreement >= agreement
            if enough and one in by_content and other in by_content and by_content[one] is not by_content[other]:
                yield (by_content[one], by_content[other]), alignment

    @cached_property
    def distinct(self) -> list[Measured]:
        """The photos without their copies of any sort, sorted by name."""
        firsts = [group[0] for group in self.mirrored()]
        position = {measured.name: number for number, measured in enumerate(firsts)}
        cuts = [
            (position[one.name], position[other.name])
            for (one, other), _ in self.shifted()
            if one.name in position and other.name in position
        ]
        groups = _linked(firsts, np.array(cuts, np.int64).reshape(-1, 2))
        return sorted((group[0] for group in groups), key=lambda measured: measured.name)


def joined(pairs: Sequence[tuple[Measured, Measured]]) -> list[list[Measured]]:
    """The photos of the pairs, joined where they share one, each group with the one to keep first."""
    photos = list({measured.name: measured for pair in pairs for measured in pair}.values())
    position = {measured.name: number for number, measured in enumerate(photos)}
    links = [(position[one.name], position[other.name]) for one, other in pairs]
    return _linked(photos, np.array(links, np.int64).reshape(-1, 2))


def _keep_first(measured: Measured) -> tuple[bool, int, str]:
    header = measured.header
    return (not measured.photo.caption, -header.width * header.height, measured.name)


def _linked(photos: Sequence[Measured], links: np.ndarray) -> list[list[Measured]]:
    """Photos that links join, directly or through others. links: int64, (links, 2), positions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not photos:
        return []
    joint = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(len(photos), len(photos)))
    _, labels = connected_components(joint, directed=False)
    groups: dict[int, list[Measured]] = {}
    for measured, label in zip(photos, labels.tolist(), strict=True):
        groups.setdefault(label, []).append(measured)
    return [sorted(group, key=_keep_first) for group in groups.values()]
