"""FAC: is the subject there, alone, near, and always the same?"""

from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.rule import Evidence, Measured, Rule
from curation.faces import Face
from curation.facts.parts import Part
from curation.report import Finding, Kind, Skipped

FRONTAL_ONLY = (
    "only frontal faces were looked for, by OpenCV's cascades: its findings are hints, and a photo without one has not "
    "passed. A face detector needs an insightface model pack, which this version does not read yet"
)


@dataclass(frozen=True)
class OtherFaces(Rule):
    code = "FAC001"
    name = "other-faces"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "More than one face is in the photo. The guide recommends that no other faces appear in the training set, as "
        "they make it ambiguous which face is being learned. Crop the photo to the subject, or leave it out."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for measured in evidence.readable:
            faces = measured.faces
            if len(faces) > 1:
                yield self.finding(
                    [measured.name],
                    f"{len(faces)} faces seem to be in it.",
                    "crop it to the subject, or leave it out",
                    value=len(faces),
                    threshold=1,
                )
        yield self.skipped(FRONTAL_ONLY)


@dataclass(frozen=True)
class NoFace(Rule):
    code = "FAC002"
    name = "no-face"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "No face was found. A LoRA of a person needs the face in nearly every photo; one from behind is fine now and "
        "then. Without a face pack only frontal faces are found, so look at the photo before you leave it out."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for measured in evidence.readable:
            if not measured.faces:
                yield self.finding(
                    [measured.name],
                    "No frontal face was found in it.",
                    "look at it: keep profiles, replace photos of something else",
                    value=0,
                    threshold=1,
                )
        yield self.skipped(FRONTAL_ONLY)


@dataclass(frozen=True)
class DistantSubject(Rule):
    code = "FAC003"
    name = "distant-subject"
    severity = "warning"
    parts = frozenset({"faces"})
    kinds = frozenset({"person", "object", "character"})
    mend = "exclude"
    explanation = (
        "The subject is far away. The guide recommends avoiding such photos, as most of their pixels are not related "
        "to the concept and there is not much to learn from them. For a person: the largest face is lower than "
        "`least_face` of the photo's shorter side (64 px of 1024, what the VAE turns into 8 latent pixels). Crop the "
        "photo around the subject if it has the pixels, or use a closer one."
    )
    least_face: float = 64 / 1024

    def parts_for(self, kind: Kind) -> frozenset[Part]:
        return self.parts if kind == "person" else frozenset()

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if evidence.kind != "person":
            yield self.skipped("the size of a subject other than a face needs a segmentation model, which is not there")
            return
        for measured in evidence.readable:
            faces = measured.faces
            if faces and (height := max(_height(measured, face) for face in faces)) < self.least_face:
                yield self.finding(
                    [measured.name],
                    f"The subject is far away: the largest face is {height:.1%} of the shorter side.",
                    "crop it around the subject, or use a closer photo",
                    value=round(height, 4),
                    threshold=self.least_face,
                )
        yield self.skipped("photos without a frontal face were not judged: the subject's size is taken from the face")


@dataclass(frozen=True)
class DifferentPerson(Rule):
    code = "FAC004"
    name = "different-person"
    severity = "error"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "A photo of somebody else is mixed in, which blends two faces into one. Telling people apart takes face "
        "embeddings, compared with the person whom most photos show."
    )

    def check(self, evidence: Evidence) -> Iterator[Skipped]:
        yield self.skipped(
            "telling people apart needs face embeddings from an insightface model pack, which this version does not "
            "read yet: make sure yourself that every photo shows the same person"
        )


def _height(measured: Measured, face: Face) -> float:
    """The face's height as a fraction of the photo's shorter side, which becomes the training resolution."""
    return face.height * measured.header.height / measured.header.short_side
