"""FAC: how the subject stands in the frame: large enough, and inside what training cuts out of the photo."""

from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.identity import lacks, only_hints, pictured
from curation.checks.rule import SUBJECT, Evidence, Measured, Rule
from curation.facts.parts import Part
from curation.needs import TrainingNeeds
from curation.report import Finding, Kind, Region, Skipped
from curation.subject import SURE

UNSURE = "in {count} of {all} photos the pixels alone do not tell clearly what the subject is"


@dataclass(frozen=True)
class DistantSubject(Rule):
    code = "FAC003"
    name = "distant-subject"
    severity = "warning"
    kinds = frozenset({"person", "object", "character"})
    mend = "crop"
    explanation = (
        "The subject is far away. The guide recommends avoiding such photos, as most of their pixels are not related "
        "to the concept and there is not much to learn from them. A person's face is lower than `least_face` of the "
        "photo's shorter side (64 pixels of SDXL's 1024, which the VAE turns into 8), or than `least_height` of the "
        "frame (what film studies call a long shot). Of anything else the area is below `least_area` of the frame "
        "(insightface's GUI, for faces); it is estimated from the pixels, with an error that "
        "benchmarks/subject_size.py measures, so it is a note. Crop the photo around the subject if it has the pixels, "
        "or use a closer one."
    )
    least_face: float = 64 / 1024
    least_height: float = 0.05
    least_area: float = 0.01

    def parts_for(self, kind: Kind) -> frozenset[Part]:
        return frozenset({"faces"} if kind == "person" else {"subject"})

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        yield from self._faces(evidence) if evidence.kind == "person" else self._subjects(evidence)

    def _faces(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for photo in pictured(evidence):
            header = photo.measured.header
            height = photo.pixels / header.short_side
            least = max(self.least_face, self.least_height * header.height / header.short_side)
            if height < least:
                yield self.finding(
                    [photo.name],
                    f"The subject is far away: the face has {height:.1%} of the shorter side's length.",
                    "crop it around the subject, or use a closer photo",
                    value=round(height, 4),
                    threshold=round(least, 4),
                    regions=photo.regions[:1],
                )
        yield from only_hints(self, evidence)

    def _subjects(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for measured in evidence.readable:
            area = measured.subject.area
            if measured.subject.confidence >= SURE and area < self.least_area:
                yield self.finding(
                    [measured.name],
                    f"The subject seems to be far away: it fills about {area:.1%} of the frame, by an estimate.",
                    "crop it around the subject, or use a closer photo",
                    value=area,
                    threshold=self.least_area,
                    severity="info",
                    regions=[_subject_region(measured)],
                )
        yield from _skipped_unsure(self, evidence)


@dataclass(frozen=True)
class CroppedSubject(Rule):
    code = "FAC009"
    name = "cropped-subject"
    severity = "warning"
    kinds = frozenset({"person", "object", "character"})
    mend = "crop"
    explanation = (
        "Training cuts a square out of the photo, from the middle or at a random place, and the square cuts the face "
        "or the subject. SceneWorks' closed-loop study found that crops which lose faces halve the likeness, while "
        "blur hardly changes it. A square from the middle that cuts off more than `most_cut` of a face is an error; "
        "one whose place is random, and which does so in more than `most_often` of the steps, a warning; both limits "
        "are our choice. Faces from "
        "OpenCV's cascades count one degree less. Of anything else the place is an estimate, and the findings are "
        "notes. With `aspect_ratio_buckets` the crop keeps the photo's shape, and only what is wider than 4 to 1 is "
        "judged: the few percent that the nearest bucket cuts off (7 at most) are not. Place the crop around the "
        "subject, on the Photos screen or with `loratui crop`, or crop the photo yourself."
    )
    most_cut: float = 0.1
    most_often: float = 0.1

    def parts_for(self, kind: Kind) -> frozenset[Part]:
        return frozenset({"faces"} if kind == "person" else {"subject"})

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if evidence.kind != "person":
            sure = [measured for measured in evidence.readable if measured.subject.confidence >= SURE]
            for measured in sure:
                yield from self._cut(evidence, measured, _subject_region(measured), degree=2)
            yield from _skipped_unsure(self, evidence)
            return
        hints = lacks(evidence, "profiles")
        for photo in pictured(evidence):
            yield from self._cut(evidence, photo.measured, photo.regions[0], degree=int(hints))
        yield from only_hints(self, evidence)

    def _cut(self, evidence: Evidence, measured: Measured, region: Region, degree: int) -> Iterator[Finding]:
        """degree: how many degrees less severe it is than a face that a pack found."""
        is_placed = measured.photo.focus is not None
        is_fixed = is_placed or evidence.needs.center_crop
        often = cut_by_crop(measured, region, evidence.needs, self.most_cut)
        if often > self.most_often:
            what = "the face" if evidence.kind == "person" else "what seems to be the subject"
            place = "where it was placed" if is_placed else "from the middle" if is_fixed else "at a random place"
            steps = "" if is_fixed else f" in {often:.0%} of the steps"
            yield self.finding(
                [measured.name],
                f"The crop that training takes {place} cuts into {what}{steps}.",
                "place its crop around the subject (`loratui crop`), or crop it yourself",
                value=round(often, 2),
                threshold=self.most_often,
                severity=("error", "warning", "info", "info")[degree + (not is_fixed)],
                regions=[region],
            )


def cut_by_crop(measured: Measured, region: Region, needs: TrainingNeeds, most_cut: float) -> float:
    """How often the training crop cuts more than `most_cut` off the region's length along the photo's long side.

    The crop's place (engine.data) is where a person put it, the middle, or uniform along the long side.
    """
    width, height = measured.header.width, measured.header.height
    start, length = (region.left, region.width) if width >= height else (region.top, region.height)
    room = 1 - max(needs.crop_of(width, height)) / max(width, height)
    if room == 0:
        return 0.0
    spared = most_cut * length
    earliest, latest = start + length - spared - (1 - room), start + spared
    if focus := measured.photo.focus or ((0.5, 0.5) if needs.center_crop else None):
        place = min(max(focus[0 if width >= height else 1] - (1 - room) / 2, 0.0), room)
        return 0.0 if earliest <= place <= latest else 1.0
    whole = max(0.0, min(latest, room) - max(earliest, 0.0))
    return 1 - whole / room


def _subject_region(measured: Measured) -> Region:
    subject = measured.subject
    return Region(measured.name, SUBJECT, subject.left, subject.top, subject.width, subject.height)


def _skipped_unsure(rule: Rule, evidence: Evidence) -> Iterator[Skipped]:
    count = sum(measured.subject.confidence < SURE for measured in evidence.readable)
    if count:
        yield rule.skipped(UNSURE.format(count=count, all=len(evidence.readable)))
