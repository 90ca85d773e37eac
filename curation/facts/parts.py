"""PhotoFacts: all that was measured on one photo; facts only, no judgement."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from curation.background import BackgroundFacts
from curation.faces import FaceFacts
from curation.facts.borders import Borders
from curation.facts.hashes import HashFacts
from curation.facts.header import FileFacts
from curation.facts.tones import Tones
from curation.subject import SubjectFacts

Part = Literal[
    "tones",
    "sharpness",
    "directional_blur",
    "detail",
    "borders",
    "hashes",
    "colours",
    "background",
    "faces",
    "subject",
]


@dataclass(frozen=True)
class PhotoFacts:
    """What was measured on one photo. A part is None while nobody asked for it, and when the photo is unreadable.

    sharpness, directional_blur, detail: see curation.facts.sharpness.  borders: bars of one colour.
    colours: see curation.facts.hashes.colour_counts.

    detail is measured on the pixels as they are in photos whose shorter side has less than 2048; a larger photo is
    halved until it has, since what is finer than that never reaches training at 1024.
    """

    file: FileFacts
    tones: Tones | None = None
    sharpness: float | None = None
    directional_blur: tuple[float, float, float, float] | None = None
    detail: tuple[float, float, float] | None = None
    borders: Borders | None = None
    hashes: HashFacts | None = None
    colours: bytes | None = None
    background: BackgroundFacts | None = None
    faces: FaceFacts | None = None
    subject: SubjectFacts | None = None

    def lacks(self, parts: Iterable[Part]) -> frozenset[Part]:
        """Those of `parts` that are still to be measured; none of an unreadable photo."""
        return frozenset() if self.file.unreadable else frozenset(p for p in parts if getattr(self, p) is None)

    def as_seen_by(self, detector: str | None) -> "PhotoFacts":
        """These facts, without the faces that another detector found; None is no detector, which sees nothing new."""
        same = detector is None or self.faces is None or self.faces.detector == detector
        return self if same else replace(self, faces=None)
