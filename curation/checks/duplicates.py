"""DUP: is a photo in the set more than once?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from curation.alignment import Alignment
from curation.checks.copy_groups import AGREEMENT, INLIERS, joined
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
        for group in evidence.copy_groups.exact:
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
        for group in evidence.copy_groups.near(Reach(self.dhash, self.phash, self.fine)):
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
        for group in evidence.copy_groups.mirrored(Reach(self.dhash, self.phash, self.fine)):
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
    parts = frozenset({"hashes", "colours"})
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
    inliers: int = INLIERS
    agreement: float = AGREEMENT

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if evidence.copies.left_out:
            yield self.skipped(
                f"of the pairs with the same colours the {evidence.copies.left_out} least alike were not compared"
            )
        cuts = list(evidence.copy_groups.shifted(self.inliers, self.agreement))
        for group in joined([pair for pair, _ in cuts]):
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
    parts = frozenset({"hashes", "colours"})
    explanation = (
        "These photos were taken one within `seconds` of the other, with one camera, and have the same colours "
        "(Bhattacharyya coefficient of `colours` or more; 5 % of the pairs of different photos reach 0.84). They show "
        "one moment, pose and light several times over. Keep the best one. The limits are not measured: no burst with "
        "its times was at hand."
    )
    seconds: float = 5.0
    colours: float = 0.9

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        moments = by_time(group[0] for group in evidence.copy_groups.near())
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
        likeness = colour_likeness(before.colours, after.colours)
        return seconds_between(before, after) <= self.seconds and likeness >= self.colours


def _shared_part(one: Measured, other: Measured, alignment: Alignment) -> Region:
    box = (alignment.left, alignment.top, alignment.width, alignment.height)
    return Region(one.name, f"what {other.name} shows too", *box)


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
