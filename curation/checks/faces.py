"""FAC: is the subject's face there, alone, and fit to be learned from? How it stands in the frame: see framing."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from curation.checks.identity import LEAST_PIXELS, Pictured, is_turned, lacks, only_hints, pictured
from curation.checks.rule import Evidence, Rule
from curation.report import Finding, Skipped

NOT_MEASURED = (
    "Not measured here, as no labelled photos of people are at hand, and therefore a note. Measure it on yours with "
    "`python benchmarks/planted_faults.py --labelled FOLDER --kind person`, and set its severity in lora.toml, [lint]."
)

LEAST_SHARPNESS = 45.0
DARKEST, BRIGHTEST = 45.0, 220.0


@dataclass(frozen=True)
class OtherFaces(Rule):
    code = "FAC001"
    name = "other-faces"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    mend = "crop"
    explanation = (
        "More than one face is in the photo. The guide recommends that no other faces appear in the training set, as "
        "they make it ambiguous which face is being learned. A second face of `rival` of the subject's height or more "
        "may be taken for the subject (a choice, not measured); a smaller one is learned along. Crop the photo to the "
        f"subject, or leave it out. With a face pack faces of a score of 0.6 count (insightface's PersonConfig). "
        f"{NOT_MEASURED}"
    )
    rival: float = 0.35

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for photo in pictured(evidence):
            if photo.others:
                yield self._finding(photo, sure=not lacks(evidence, "profiles"))
        yield from only_hints(self, evidence)

    def _finding(self, photo: Pictured, sure: bool) -> Finding:
        count = 1 + len(photo.others)
        height = max(face.height for face in photo.others) / photo.subject.height
        rank = "which may be taken for the subject" if height >= self.rival else "which is learned along"
        told = f"{count} faces are in it" if sure else f"{count} faces seem to be in it"
        return self.finding(
            [photo.name],
            f"{told}; the next one is {height:.0%} as high as the subject's, {rank}.",
            "crop it to the subject, or leave it out",
            value=count,
            threshold=1,
            regions=photo.regions,
        )


@dataclass(frozen=True)
class NoFace(Rule):
    code = "FAC002"
    name = "no-face"
    severity = "info"
    judges_alone = True
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "No face was found. A LoRA of a person needs the face in nearly every photo; one from behind is fine now and "
        "then. Without a face pack only frontal faces are found, so look at the photo before you leave it out. "
        f"{NOT_MEASURED}"
    )

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        with_face = {photo.name for photo in pictured(evidence)}
        hint = lacks(evidence, "profiles")
        for measured in evidence.readable:
            if measured.name not in with_face:
                yield self.finding(
                    [measured.name],
                    "No frontal face was found in it." if hint else "No face was found in it.",
                    "look at it: keep profiles, replace photos of something else",
                    value=0,
                    threshold=1,
                )
        yield from only_hints(self, evidence)


@dataclass(frozen=True)
class DifferentPerson(Rule):
    code = "FAC004"
    name = "different-person"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "A photo of somebody else seems to be mixed in, which blends two faces into one. Face embeddings are compared "
        "with the one that most photos are like: a cosine under `different` is another person's, one under `same` is "
        "unsure (0.45 and 0.30: insightface's PersonConfig; its GUI and SceneWorks take 0.40). Faces lower than 64 "
        "pixels or turned by more than 40 degrees are not compared. Make sure that it is the subject, or leave it out. "
        f"{NOT_MEASURED}"
    )
    different: float = 0.30
    same: float = 0.45

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if lacks(evidence, "identity"):
            yield self.skipped(
                "telling people apart needs a face pack: make sure yourself that every photo shows the same person, or "
                "add one with: loratui models add faces"
            )
            return
        photos = pictured(evidence)
        compared = [(photo, photo.likeness) for photo in photos if photo.likeness is not None]
        if not compared:
            yield self.skipped("no one person is in most of the photos with a large, unturned face")
            return
        for photo, likeness in compared:
            if likeness < self.same:
                yield self._finding(photo, likeness)
        if len(compared) < len(evidence.readable):
            left = len(evidence.readable) - len(compared)
            yield self.skipped(
                f"in {left} of {len(evidence.readable)} photos the face is too small, turned away, or not found"
            )

    def _finding(self, photo: Pictured, likeness: float) -> Finding:
        other = likeness < self.different
        return self.finding(
            [photo.name],
            "It seems to show another person than most photos." if other else "It may show another person; unsure.",
            "make sure that it is the subject, or leave it out",
            value=round(likeness, 2),
            threshold=self.different if other else self.same,
            regions=photo.regions[:1],
        )


@dataclass(frozen=True)
class SmallFace(Rule):
    code = "FAC005"
    name = "small-face"
    severity = "warning"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The subject's face is lower than `least_pixels` of the photo's own pixels: cropping or enlarging the photo "
        "brings back no detail that was never taken, and a model learns a soft face. 64 pixels are what the VAE turns "
        "into 8 latent pixels, and the least that insightface's GUI compares. Use a closer photo, or a larger original."
    )
    least_pixels: int = LEAST_PIXELS

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for photo in pictured(evidence):
            if photo.pixels < self.least_pixels:
                yield self.finding(
                    [photo.name],
                    f"The face has only {photo.pixels:.0f} pixels of height.",
                    "use a closer photo, or a larger original",
                    value=round(photo.pixels),
                    threshold=self.least_pixels,
                    regions=photo.regions[:1],
                )
        yield from only_hints(self, evidence)


@dataclass(frozen=True)
class BlurredFace(Rule):
    code = "FAC006"
    name = "blurred-face"
    severity = "warning"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The subject's face is blurred, though the rest of the photo may be sharp: the variance of the Laplacian of "
        "its box, brought to 112 pixels, is below `least_sharpness` (45: insightface's GUI, on the box as it is). A "
        "sharp portrait measured 467, and 40 with a Gaussian blur of 1 % of the face's height. Faces too small to tell "
        "(FAC005) and nearly black or burnt out ones (FAC007) are not judged. The guide: blurry images can harm the "
        "tuning process. Use a sharper photo."
    )
    least_sharpness: float = LEAST_SHARPNESS

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for photo in pictured(evidence):
            sharpness = photo.subject.sharpness
            if sharpness is not None and sharpness < self.least_sharpness and _can_be_seen(photo):
                yield self.finding(
                    [photo.name],
                    "The face is blurred.",
                    "use a sharper photo",
                    value=sharpness,
                    threshold=self.least_sharpness,
                    regions=photo.regions[:1],
                )
        yield from only_hints(self, evidence)


@dataclass(frozen=True)
class DarkFace(Rule):
    code = "FAC007"
    name = "dark-face"
    severity = "warning"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "The subject's face is nearly black or burnt out, as against the light: the mean grey of its box is below "
        "`darkest` or above `brightest` (insightface's GUI). Its features cannot be learned. Brighten the photo in an "
        "editor if the detail is there, or use another."
    )
    darkest: float = DARKEST
    brightest: float = BRIGHTEST

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        for photo in pictured(evidence):
            grey = photo.subject.brightness
            if grey is not None and not self.darkest <= grey <= self.brightest:
                dark = grey < self.darkest
                yield self.finding(
                    [photo.name],
                    "The face is nearly black." if dark else "The face is burnt out.",
                    "correct the exposure, or use another photo",
                    value=grey,
                    threshold=self.darkest if dark else self.brightest,
                    regions=photo.regions[:1],
                )
        yield from only_hints(self, evidence)


@dataclass(frozen=True)
class OccludedFace(Rule):
    code = "FAC008"
    name = "occluded-face"
    severity = "info"
    parts = frozenset({"faces"})
    kinds = frozenset({"person"})
    explanation = (
        "Something may cover the subject's face: a hand, hair, glasses, a mask. The length of a face's embedding falls "
        "with whatever makes it hard to recognise (Kim et al., 2022, AdaFace, section 3.2): here it is less than "
        "`least_share` (a choice) of the set's median, though the face is large, sharp and not turned away; that takes "
        "`fewest` such faces. Fine now and then; "
        f"what is covered in many photos is learned as part of the person. {NOT_MEASURED}"
    )
    least_share: float = 0.7
    fewest: int = 5

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        if lacks(evidence, "identity"):
            yield self.skipped(
                "a covered face is told by its embedding, which needs a face pack: loratui models add faces"
            )
            return
        clear = [(photo, norm) for photo in pictured(evidence) if (norm := _clear_norm(photo)) is not None]
        if len(clear) < self.fewest:
            yield self.skipped(
                f"a covered face is told by comparison with {self.fewest} clear ones, which are not there"
            )
            return
        usual = median(norm for _, norm in clear)
        for photo, norm in clear:
            if norm < self.least_share * usual:
                yield self.finding(
                    [photo.name],
                    "Something may cover the face.",
                    "make sure that the face is free in most photos",
                    value=round(norm / usual, 2),
                    threshold=self.least_share,
                    regions=photo.regions[:1],
                )


def _can_be_seen(photo: Pictured) -> bool:
    """Whether a face has the pixels and the light that its sharpness can be told."""
    grey = photo.subject.brightness
    return photo.pixels >= LEAST_PIXELS and (grey is None or DARKEST <= grey <= BRIGHTEST)


def _clear_norm(photo: Pictured) -> float | None:
    """The length of the embedding of a face that is large, lit, sharp and not turned away."""
    face = photo.subject
    sharp = face.sharpness is None or face.sharpness >= LEAST_SHARPNESS
    return face.embedding_norm if _can_be_seen(photo) and sharp and not is_turned(face) else None
