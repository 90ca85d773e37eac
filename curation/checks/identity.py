"""Which of the faces in each photo is the subject's: that of the person whom most photos show, else the largest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curation.checks.rule import SUBJECT, Evidence, Measured, Rule
from curation.faces import Ability, Face
from curation.report import Region, Skipped

LEAST_SCORE = 0.6
"""A pack's faces below it do not count (the default of insightface's PersonConfig)."""

SAME = 0.45
"""Cosine of embeddings from which two faces are one person's (the default of insightface's PersonConfig)."""

LEAST_PIXELS = 64
"""Height of a face in the photo's own pixels below which its embedding says little (insightface's GUI)."""

MOST_YAW = 40.0
"""Degrees of turning beyond which its embedding says little (insightface's GUI)."""

MOST_NOSE_OFFSET = 0.35
"""The nose's distance from the middle of the eyes, in distances of the eyes, of a head turned as far, for packs without
landmarks (insightface's GUI)."""

HINTS = (
    "without a face pack only frontal faces are hinted at, by OpenCV's cascades: a photo without a finding has not "
    "passed. Add one with: loratui models add faces"
)


@dataclass(frozen=True)
class Pictured:
    """A photo with a face.  subject: the subject's.  others: the rest, largest first.

    likeness: cosine of the subject's face to the person whom most photos show; None where it cannot be told.
    """

    measured: Measured
    subject: Face
    others: tuple[Face, ...]
    likeness: float | None

    @property
    def name(self) -> str:
        return self.measured.name

    @property
    def pixels(self) -> float:
        """Height of the subject's face in the photo's own pixels."""
        return self.subject.height * self.measured.header.height

    @property
    def regions(self) -> tuple[Region, ...]:
        """The subject's face, then the others."""
        return tuple(
            Region(self.name, label, face.left, face.top, face.width, face.height)
            for label, faces in ((SUBJECT, (self.subject,)), ("other face", self.others))
            for face in faces
        )


def lacks(evidence: Evidence, *abilities: Ability) -> bool:
    """Whether what looked for faces cannot do one of these."""
    return evidence.detector is None or not evidence.detector.abilities.issuperset(abilities)


def only_hints(rule: Rule, evidence: Evidence) -> Iterator[Skipped]:
    """Says so, where a photo without a finding has not passed."""
    if lacks(evidence, "profiles"):
        yield rule.skipped(HINTS)


def pictured(evidence: Evidence) -> tuple[Pictured, ...]:
    """The readable photos in which there is a face."""
    scored = not lacks(evidence, "profiles")
    photos = [
        (measured, tuple(face for face in measured.faces if not scored or face.score >= LEAST_SCORE))
        for measured in evidence.readable
    ]
    largest = [comparable(measured, face) for measured, faces in photos for face in faces[:1]]
    person = main_person([embedding for embedding in largest if embedding is not None])
    return tuple(_pictured(measured, faces, person) for measured, faces in photos if faces)


def main_person(embeddings: Sequence[np.ndarray]) -> np.ndarray | None:
    """The embedding that most of the others are like; None when it and those are not more than half of all.

    embeddings: float32, of length one.  Memory does not grow with the square of their number.
    """
    if len(embeddings) < 2:
        return None
    matrix = np.stack(embeddings)
    alike, closeness = np.zeros(len(matrix)), np.zeros(len(matrix))
    for start in range(0, len(matrix), 512):
        cosines = matrix[start : start + 512] @ matrix.T
        alike[start : start + 512] = (cosines >= SAME).sum(axis=1)
        closeness[start : start + 512] = np.where(cosines >= SAME, cosines, 0.0).sum(axis=1)
    best = max(range(len(matrix)), key=lambda index: (alike[index], closeness[index]))
    return matrix[best] if alike[best] > len(matrix) / 2 else None


def comparable(measured: Measured, face: Face) -> np.ndarray | None:
    """A face's embedding, float32 of length one, unless it is too small or turned too far for it to mean much."""
    if face.embedding is None or face.height * measured.header.height < LEAST_PIXELS or is_turned(face):
        return None
    embedding = np.frombuffer(face.embedding, "<f2").astype(np.float32)
    return embedding / max(float(np.linalg.norm(embedding)), 1e-6)


def is_turned(face: Face) -> bool:
    """Whether a head is turned away so far that one side of it is hidden."""
    if face.yaw is not None:
        return abs(face.yaw) > MOST_YAW
    if face.keypoints is None:
        return False
    left, right, nose = face.keypoints[:3]
    between = max(abs(right[0] - left[0]), 1e-6)
    return abs(nose[0] - (left[0] + right[0]) / 2) > MOST_NOSE_OFFSET * between


def _pictured(measured: Measured, faces: tuple[Face, ...], person: np.ndarray | None) -> Pictured:
    """The face most like the person, if it is alike at all; else the largest, which may be somebody else's."""
    embeddings = [comparable(measured, face) for face in faces]
    cosines = [None if person is None or e is None else float(e @ person) for e in embeddings]
    known = [index for index, cosine in enumerate(cosines) if cosine is not None and cosine >= SAME]
    chosen = max(known, key=lambda index: cosines[index] or 0.0) if known else 0
    others = faces[:chosen] + faces[chosen + 1 :]
    return Pictured(measured, faces[chosen], others, cosines[chosen])
