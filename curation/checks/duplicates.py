"""DUP: is a photo in the set more than once?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.alignment import Alignment
from curation.checks.rule import Evidence, Measured, Rule
from curation.facts.hashes import colour_likeness
from curation.near_index import Reach
from curation.report import Finding, Region, Skipped
from curation.text import visible


@dataclass(frozen=True)
class ExactDuplicate(Rule):
    code = "DUP001"
    name = "exact-duplicate"
    severity = "error"
    parts = frozenset({"hashes"})
    copies = frozenset({"pixels"})
    mend = "exclude"
    keeps = 1
    explanation = (
        "The same pixels are in the set twice, whatever the file's name or format. Training sees that photo twice as "
        "often, learns its background and pose with it, and the set is smaller than it looks. To weigh photos on "
        "purpose use repeats."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for group in exact_groups(evidence):
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
    copies = frozenset({"pixels"})
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
        for group in near_groups(evidence, Reach(self.dhash, self.phash, self.fine)):
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
        "text and faces, which are never symmetric. Their hashes are compared as those of DUP002, by `dhash`, `phash` "
        "and `fine`."
    )
    dhash: int = Reach.dhash
    phash: int = Reach.phash
    fine: float = Reach.fine

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for group in mirrored_groups(evidence, Reach(self.dhash, self.phash, self.fine)):
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


@dataclass(frozen=True)
class ShiftedCopy(Rule):
    code = "DUP004"
    name = "shifted-copy"
    severity = "warning"
    parts = frozenset({"hashes"})
    copies = frozenset({"alignments"})
    mend = "exclude"
    keeps = 1
    explanation = (
        "One photo is a crop or a shifted cut of another: `inliers` or more keypoints agree on how one lies on the "
        "other (SIFT, ratio 0.75, RANSAC), and the pixels of the part that they share correlate by `agreement`. That "
        "tells it from two photos of one place. Measured on 24 photos, cut to 60 to 90 % of their sides or shifted by "
        "10 to 30 % and compressed again: all found, with an agreement of 0.99. Of their 276 pairs one has 20 inliers, "
        "with an agreement of 0.57, and none with 15 has more than 0.76. Training sees the shared part twice as often."
    )
    inliers: int = 20
    agreement: float = 0.95

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if evidence.copies.left_out:
            yield self.skipped(
                f"of the pairs with the same colours the {evidence.copies.left_out} least alike were not compared"
            )
        cuts = list(shifted_copies(evidence, self.inliers, self.agreement))
        for group in _cut_groups([pair for pair, _ in cuts]):
            names = {measured.name for measured in group}
            within = [(pair, alignment) for pair, alignment in cuts if pair[0].name in names]
            yield self.finding(
                [measured.name for measured in group],
                f"One photo, cut in {len(group)} ways.",
                f"keep {visible(group[0].name)}",
                value=min(alignment.inliers for _, alignment in within),
                threshold=self.inliers,
                regions=[_shared_part(one, other, alignment) for (one, other), alignment in within],
            )


@dataclass(frozen=True)
class Burst(Rule):
    code = "DUP005"
    name = "burst"
    severity = "info"
    parts = frozenset({"hashes"})
    explanation = (
        "These photos were taken one within `seconds` of the other, with one camera, and have the same colours "
        "(Bhattacharyya coefficient of `colours` or more; 5 % of the pairs of different photos reach 0.84). They show "
        "one moment, pose and light several times over. Keep the best one. The limits are not measured: no burst with "
        "its times was at hand."
    )
    seconds: float = 5.0
    colours: float = 0.9

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        moments = by_time(group[0] for group in near_groups(evidence))
        for burst in runs(moments, self._continues):
            if len(burst) > 1:
                span = seconds_between(burst[0], burst[-1])
                yield self.finding(
                    [measured.name for measured in burst],
                    f"{len(burst)} photos of one moment, taken within {span:.0f} s.",
                    "keep the best one",
                    value=round(span, 1),
                    threshold=self.seconds,
                )

    def _continues(self, before: Measured, after: Measured) -> bool:
        likeness = colour_likeness(before.hashes.colours, after.hashes.colours)
        return seconds_between(before, after) <= self.seconds and likeness >= self.colours


def exact_groups(evidence: Evidence) -> list[list[Measured]]:
    """Photos by equal pixels, each group with the one to keep first."""
    pixels = evidence.copies.pixels
    groups: dict[str, list[Measured]] = {}
    for measured in evidence.readable:
        sha256 = measured.facts.file.sha256
        groups.setdefault(pixels.get(sha256, sha256), []).append(measured)
    return [sorted(group, key=_keep_first) for group in groups.values()]


def near_groups(evidence: Evidence, reach: Reach = Reach()) -> list[list[Measured]]:  # noqa: B008 - a frozen value
    """Photos linked by like hashes, each group with the one to keep first; of equal pixels one stands for all."""
    firsts = {group[0].name for group in exact_groups(evidence)}
    linked = _linked(evidence.readable, evidence.near_index.pairs(reach))
    groups = [[measured for measured in group if measured.name in firsts] for group in linked]
    return [group for group in groups if group]


def mirrored_groups(evidence: Evidence, reach: Reach = Reach()) -> list[list[Measured]]:  # noqa: B008 - a frozen value
    """Photos linked by like hashes of one and the mirrored other; copies the same way round are counted once."""
    groups = near_groups(evidence)
    group_of = {measured.name: number for number, group in enumerate(groups) for measured in group}
    positions = [group_of.get(measured.name, -1) for measured in evidence.readable]
    links = np.array(positions, np.int64)[evidence.near_index.pairs(reach, mirrored=True)]
    return _linked([group[0] for group in groups], links[(links >= 0).all(axis=1)])


def shifted_copies(
    evidence: Evidence, inliers: int = ShiftedCopy.inliers, agreement: float = ShiftedCopy.agreement
) -> Iterator[tuple[tuple[Measured, Measured], Alignment]]:
    """Pairs of photos, the second a shifted or cropped copy of the first, and how it lies there.

    Of equal pixels the one to keep stands for all.
    """
    by_content = {copy.facts.file.sha256: group[0] for group in exact_groups(evidence) for copy in group}
    for (one, other), alignment in sorted(evidence.copies.alignments.items()):
        enough = alignment.inliers >= inliers and alignment.agreement >= agreement
        if enough and one in by_content and other in by_content and by_content[one] is not by_content[other]:
            yield (by_content[one], by_content[other]), alignment


def _cut_groups(pairs: Sequence[tuple[Measured, Measured]]) -> list[list[Measured]]:
    """The photos of the pairs, joined where they share one, each group with the one to keep first."""
    photos = list({measured.name: measured for pair in pairs for measured in pair}.values())
    position = {measured.name: number for number, measured in enumerate(photos)}
    links = [(position[one.name], position[other.name]) for one, other in pairs]
    return _linked(photos, np.array(links, np.int64).reshape(-1, 2))


def _shared_part(one: Measured, other: Measured, alignment: Alignment) -> Region:
    box = (alignment.left, alignment.top, alignment.width, alignment.height)
    return Region(one.name, f"what {other.name} shows too", *box)


def distinct_photos(evidence: Evidence) -> list[Measured]:
    """The photos without their copies of any sort, sorted by name."""
    firsts = [group[0] for group in mirrored_groups(evidence)]
    position = {measured.name: number for number, measured in enumerate(firsts)}
    cuts = [
        (position[one.name], position[other.name])
        for (one, other), _ in shifted_copies(evidence)
        if one.name in position and other.name in position
    ]
    groups = _linked(firsts, np.array(cuts, np.int64).reshape(-1, 2))
    return sorted((group[0] for group in groups), key=lambda measured: measured.name)


def by_time(photos: Iterable[Measured]) -> list[Measured]:
    """Those whose EXIF has a time, by camera and then by time."""
    timed = [(m.header.camera, m.header.taken, m.name, m) for m in photos if m.header.taken is not None]
    return [measured for *_, measured in sorted(timed, key=lambda one: one[:3])]


def seconds_between(before: Measured, after: Measured) -> float:
    """Of two photos that have a time; infinite when they are of two cameras, whose clocks need not agree."""
    if before.header.camera != after.header.camera or before.header.taken is None or after.header.taken is None:
        return float("inf")
    return after.header.taken - before.header.taken


def runs(photos: Iterable[Measured], continues: Callable[[Measured, Measured], bool]) -> Iterator[list[Measured]]:
    """Photos in a row of which each continues the one before."""
    run: list[Measured] = []
    for measured in photos:
        if run and not continues(run[-1], measured):
            yield run
            run = []
        run.append(measured)
    if run:
        yield run


def _keep_first(measured: Measured) -> tuple[bool, int, str]:
    header = measured.header
    return (not measured.photo.caption, -header.width * header.height, measured.name)


def _linked(photos: Sequence[Measured], links: np.ndarray) -> list[list[Measured]]:
    """Photos that links join, directly or through others. links: int64, (links, 2), positions."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not photos:
        return []
    joined = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(len(photos), len(photos)))
    _, labels = connected_components(joined, directed=False)
    groups: dict[int, list[Measured]] = {}
    for measured, label in zip(photos, labels.tolist(), strict=True):
        groups.setdefault(label, []).append(measured)
    return [sorted(group, key=_keep_first) for group in groups.values()]
