"""DUP: is a photo in the set more than once?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.checks.rule import Evidence, Measured, Rule
from curation.facts.hashes import HashFacts
from curation.report import Finding
from curation.text import visible


@dataclass(frozen=True)
class Reach:
    """How far apart the hashes of two versions of one photo may be.

    dhash, phash: bits of 64; either is enough to suspect a copy (no false one among 12,061 pairs of photographs).
    fine: of the bits set in either 144-bit dHash, the share that differs; it must agree, since drawings on white paper
    have few bits to tell them apart by. Measured on 42 photos and drawings: the nearest pair of different ones has
    0.43; versions have at most 0.10 after JPEG quality 30, 0.29 at 0.7 of the brightness, and 95 % of crops by 5 % in
    width and height have at most 0.38.
    """

    dhash: int = 10
    phash: int = 8
    fine: float = 0.4


@dataclass(frozen=True)
class ExactDuplicate(Rule):
    code = "DUP001"
    name = "exact-duplicate"
    severity = "error"
    parts = frozenset({"hashes"})
    mend = "exclude"
    keeps = 1
    explanation = (
        "The same pixels are in the set twice, whatever the file's name or format. Training sees that photo twice as "
        "often, learns its background and pose with it, and the set is smaller than it looks. To weigh photos on "
        "purpose use repeats."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for group in exact_groups(evidence.readable):
            if len(group) > 1:
                same_bytes = len({measured.facts.file.sha256 for measured in group}) == 1
                how = "byte for byte" if same_bytes else "pixel for pixel, in other files"
                yield self.finding(
                    [measured.name for measured in group],
                    f"The same photo {len(group)} times, {how}.",
                    f"keep {visible(group[0].name)}",
                    value=len(group),
                    threshold=1,
                )


@dataclass(frozen=True)
class NearDuplicate(Rule):
    code = "DUP002"
    name = "near-duplicate"
    severity = "warning"
    parts = frozenset({"hashes"})
    mend = "exclude"
    keeps = 1
    explanation = (
        "These photos are one photo in several versions (resized, compressed again, slightly cropped), or moments "
        "apart: their dHash differs in at most `dhash` bits of 64 or their pHash in `phash`, and of the 144-bit dHash "
        "at most the share `fine`. The guide asks for the subject in as many distinct ways as possible; copies "
        "add weight without adding anything to learn."
    )
    dhash: int = Reach.dhash
    phash: int = Reach.phash
    fine: float = Reach.fine

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        firsts = [group[0] for group in exact_groups(evidence.readable)]
        for group in near_groups(firsts, Reach(self.dhash, self.phash, self.fine)):
            if len(group) > 1:
                value = min(
                    (group[0].hashes.upright.dhash ^ other.hashes.upright.dhash).bit_count() for other in group[1:]
                )
                yield self.finding(
                    [measured.name for measured in group],
                    f"{len(group)} nearly identical photos.",
                    f"keep {visible(group[0].name)}, the largest",
                    value=value,
                    threshold=self.dhash,
                )


@dataclass(frozen=True)
class MirroredCopy(Rule):
    code = "DUP003"
    name = "mirrored-copy"
    severity = "warning"
    parts = frozenset({"hashes"})
    mend = "exclude"
    keeps = 1
    explanation = (
        "One photo is another flipped left to right. It adds nothing that training could not do by itself "
        "(random flip), doubles the weight of one background and pose, and teaches a wrong side for partings, logos, "
        "text and faces, which are never symmetric."
    )
    dhash: int = Reach.dhash
    phash: int = Reach.phash
    fine: float = Reach.fine

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for group in mirrored_groups(evidence.readable, Reach(self.dhash, self.phash, self.fine)):
            if len(group) > 1:
                value = min(
                    (group[0].hashes.upright.dhash ^ other.hashes.mirrored.dhash).bit_count() for other in group[1:]
                )
                yield self.finding(
                    [measured.name for measured in group],
                    "The same photo, flipped left to right.",
                    f"keep {visible(group[0].name)}, unless another one is the right way round",
                    value=value,
                    threshold=self.dhash,
                )


def exact_groups(photos: Iterable[Measured]) -> list[list[Measured]]:
    """Photos by equal pixels, each group with the one to keep first."""
    groups: dict[str, list[Measured]] = {}
    for measured in photos:
        groups.setdefault(measured.hashes.pixels, []).append(measured)
    return [sorted(group, key=_keep_first) for group in groups.values()]


def near_groups(photos: Sequence[Measured], reach: Reach = Reach()) -> list[list[Measured]]:
    """Photos linked by like hashes, each group with the one to keep first."""
    return _linked(photos, _close([m.hashes for m in photos], reach, mirrored=False))


def mirrored_groups(photos: Iterable[Measured], reach: Reach = Reach()) -> list[list[Measured]]:
    """Photos linked by like hashes of one and the mirrored other; copies the same way round are counted once."""
    firsts = [group[0] for group in near_groups([group[0] for group in exact_groups(photos)])]
    return _linked(firsts, _close([m.hashes for m in firsts], reach, mirrored=True))


def _keep_first(measured: Measured) -> tuple[bool, int, str]:
    header = measured.header
    return (not measured.photo.caption, -header.width * header.height, measured.name)


def _close(hashes: Sequence[HashFacts], reach: Reach, mirrored: bool) -> np.ndarray:
    """bool, (photos, photos): whether the row is a version of the column, or of the column mirrored."""
    own = [h.upright for h in hashes]
    others = [h.mirrored if mirrored else h.upright for h in hashes]
    dhash = _distances([h.dhash for h in own], [h.dhash for h in others]) <= reach.dhash
    close = dhash | (_distances([h.phash for h in own], [h.phash for h in others]) <= reach.phash)
    for row, column in np.argwhere(close):
        close[row, column] = _differing_share(own[row].fine, others[column].fine) <= reach.fine
    return close


def _differing_share(one: int, other: int) -> float:
    return (one ^ other).bit_count() / max(1, (one | other).bit_count())


def _distances(rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
    differing = np.array(rows, np.uint64)[:, None] ^ np.array(columns, np.uint64)[None, :]
    return np.bitwise_count(differing)


def _linked(photos: Sequence[Measured], close: np.ndarray) -> list[list[Measured]]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not photos:
        return []
    count, labels = connected_components(csr_array(close), directed=False)
    groups = [[photos[int(index)] for index in np.flatnonzero(labels == label)] for label in range(count)]
    return [sorted(group, key=_keep_first) for group in groups]
