"""SET, of people: does the set show the person in many clothes, poses, expressions and distances?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from curation.checks.faces import NOT_MEASURED
from curation.checks.identity import HINTS, Pictured, is_turned, lacks, only_hints, pictured
from curation.checks.rule import Evidence, Rule
from curation.faces import Face, clothing_similarity
from curation.report import Finding, Skipped

NEEDS_LANDMARKS = "it needs landmarks from a face pack such as buffalo_l: loratui models add faces"

SHOTS: Mapping[str, float] = {"close-up": 0.30, "half body": 0.12, "full body": 0.05}
"""Least height of a face over that of the frame. Film studies' code shot scales by it (Esper; Cutting, 2014); a
standing figure of 7.5 heads that fills the frame has a face of about 0.10."""


@dataclass(frozen=True)
class RepeatedClothing(Rule):
    code = "SET004"
    name = "repeated-clothing"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The person wears the same in many photos, so the clothes are learned with the face. The guide: avoid "
        "repeating clothing. The colours under each face are compared, and photos that are `alike` or more grouped; a "
        "group of more than `most` of the photos is reported, of `fewest` photos or more (our choice). Add photos in "
        f"other clothes, or name the clothes in their captions. {NOT_MEASURED}"
    )
    alike: float = 0.6
    most: float = 0.4
    fewest: int = 5

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        photos = [photo for photo in pictured(evidence) if photo.subject.clothing is not None]
        if len(photos) < self.fewest:
            yield self.skipped(f"fewer than {self.fewest} photos show the clothes under a face: too few to compare")
            return
        for group in _alike(photos, self.alike):
            if len(group) > self.most * len(photos):
                yield self.finding(
                    [photo.name for photo in group],
                    f"The clothes in {len(group)} of {len(photos)} photos have the same colours.",
                    "add photos in other clothes, or name them in the captions",
                    value=round(len(group) / len(photos), 2),
                    threshold=self.most,
                )
        yield from only_hints(self, evidence)


@dataclass(frozen=True)
class RepeatedPose(Rule):
    code = "SET005"
    name = "repeated-pose"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The head is turned the same way in nearly all photos, and a model that has seen no other angle cannot draw "
        "one. The guide: avoid repeating poses. In more than `most` of the photos the head's yaw lies within `within` "
        f"degrees of the usual one (`fewest` photos or more; our choice but for the angle, insightface's GUI). Add "
        f"photos from other sides. {NOT_MEASURED}"
    )
    within: float = 15.0
    most: float = 0.8
    fewest: int = 5

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        yaws = {photo.name: yaw for photo in pictured(evidence) if (yaw := photo.subject.yaw) is not None}
        if lacks(evidence, "landmarks"):
            yield self.skipped(f"the head's angle was not measured: {NEEDS_LANDMARKS}")
        elif len(yaws) < self.fewest:
            yield self.skipped(f"fewer than {self.fewest} photos show a face: too few to compare heads' angles")
        else:
            usual = median(yaws.values())
            alike = [name for name, yaw in yaws.items() if abs(yaw - usual) <= self.within]
            if len(alike) > self.most * len(yaws):
                yield self.finding(
                    alike,
                    f"In {len(alike)} of {len(yaws)} photos the head is turned the same way.",
                    "add photos from other sides",
                    value=round(len(alike) / len(yaws), 2),
                    threshold=self.most,
                )


@dataclass(frozen=True)
class RepeatedExpression(Rule):
    code = "SET006"
    name = "repeated-expression"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The face has the same expression in nearly all photos, and is learned with it. The guide: aim for variety in "
        "facial expressions. Openness of the mouth and of the eyes (aspect ratios: Soukupova and Cech, 2016) and width "
        "of the mouth over the eyes' distance all lie within `within` of the usual face's in more than `most` of the "
        f"photos, of `fewest` or more (our choice); heads turned away are left out. Add photos with other expressions. "
        f"{NOT_MEASURED}"
    )
    within: float = 0.1
    most: float = 0.8
    fewest: int = 5

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if lacks(evidence, "landmarks"):
            yield self.skipped(f"expressions were not measured: {NEEDS_LANDMARKS}")
            return
        photos = [photo for photo in pictured(evidence) if photo.subject.landmarks and not is_turned(photo.subject)]
        if len(photos) < self.fewest:
            yield self.skipped(f"fewer than {self.fewest} photos show an unturned face: too few to compare expressions")
            return
        expressions = np.array([_expression(photo) for photo in photos])
        near = np.abs(expressions - np.median(expressions, axis=0)).max(axis=1) <= self.within
        if near.mean() > self.most:
            yield self.finding(
                [photo.name for photo, alike in zip(photos, near, strict=True) if alike],
                f"In {near.sum()} of {len(photos)} photos the face has the same expression.",
                "add photos with other expressions",
                value=round(float(near.mean()), 2),
                threshold=self.most,
            )


@dataclass(frozen=True)
class ShotMix(Rule):
    code = "SET009"
    name = "shot-mix"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The photos are nearly all taken from one distance. The guide: close-ups are important for realism, but good "
        "full-body shots should be included to generalise to other poses and compositions. By the height of the face "
        "over the frame's: a close-up from 0.30, half a body from 0.12, a full body from 0.05. One of them is fewer "
        f"than `fewest_share` of the photos, or more than `most_share`, of `fewest` photos or more (our choice). "
        f"{NOT_MEASURED}"
    )
    fewest_share: float = 0.1
    most_share: float = 0.7
    fewest: int = 5

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if lacks(evidence, "profiles"):
            yield self.skipped("close-ups and full bodies were not counted, which takes every face: " + HINTS)
            return
        shots = [shot for photo in pictured(evidence) if (shot := shot_of(photo.subject)) is not None]
        if len(shots) < self.fewest:
            yield self.skipped(f"fewer than {self.fewest} photos show a face: too few to count shots")
            return
        for shot in SHOTS:
            share = shots.count(shot) / len(shots)
            if not self.fewest_share <= share <= self.most_share:
                few = share < self.fewest_share
                yield self.finding(
                    [],
                    f"{shots.count(shot)} of {len(shots)} photos are of the kind {shot}.",
                    f"add some of the kind {shot}" if few else "add photos from other distances",
                    value=round(share, 2),
                    threshold=self.fewest_share if few else self.most_share,
                )


def shot_of(face: Face) -> str | None:
    """close-up, half body or full body; None for a face farther away than any of them."""
    return next((shot for shot, least in SHOTS.items() if face.height >= least), None)


def _alike(photos: Sequence[Pictured], least: float) -> list[list[Pictured]]:
    """Groups by clothes: a photo joins the first group whose first photo it is like, which keeps memory low."""
    groups: list[list[Pictured]] = []
    for photo in photos:
        clothing = photo.subject.clothing or b""
        joined = next((g for g in groups if clothing_similarity(clothing, g[0].subject.clothing or b"") >= least), None)
        if joined is None:
            groups.append([photo])
        else:
            joined.append(photo)
    return groups


def _expression(photo: Pictured) -> tuple[float, float, float]:
    """Openness of the mouth, openness of the eyes, width of the mouth: of iBUG's 68 points."""
    header = photo.measured.header
    points = np.array(photo.subject.landmarks) * (header.width, header.height)

    def apart(one: int, other: int) -> float:
        return float(np.linalg.norm(points[one] - points[other]))

    mouth = apart(62, 66) / max(apart(60, 64), 1e-6)
    eyes = [
        (apart(corner + 1, corner + 5) + apart(corner + 2, corner + 4)) / max(2 * apart(corner, corner + 3), 1e-6)
        for corner in (36, 42)
    ]
    return mouth, sum(eyes) / 2, apart(48, 54) / max(apart(36, 45), 1e-6)
