"""What a rule is: from measured facts to findings, with its thresholds as parameters."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import ClassVar, Literal, TypeVar

from curation.background import BackgroundFacts
from curation.checks.copy_groups import CopyGroups
from curation.copies import CopyFacts, CopyPart
from curation.dataset import Dataset, Photo
from curation.faces import Face, FaceDetector
from curation.facts.borders import Borders
from curation.facts.hashes import HashFacts
from curation.facts.header import Header
from curation.facts.parts import Part, PhotoFacts
from curation.facts.tones import Tones
from curation.near_index import NearIndex
from curation.needs import TrainingNeeds
from curation.report import Finding, Kind, Region, Severity, Skipped
from curation.subject import SubjectFacts

Mend = Literal["rewrite", "crop", "exclude"]
P = TypeVar("P")
SUBJECT = "subject"
"""The label of the region that holds the subject, or the subject's face."""

ALL_KINDS: frozenset[Kind] = frozenset({"person", "object", "style", "character"})


@dataclass(frozen=True)
class Measured:
    """A photo and its facts."""

    photo: Photo
    facts: PhotoFacts

    @property
    def name(self) -> str:
        return self.photo.name

    @property
    def header(self) -> Header:
        """What its file says about itself."""
        return self.facts.file.header

    # Of a readable photo, for the rules that name the part.

    @property
    def tones(self) -> Tones:
        return _measured(self.facts.tones)

    @property
    def sharpness(self) -> float:
        return _measured(self.facts.sharpness)

    @property
    def directional_blur(self) -> tuple[float, float, float, float]:
        return _measured(self.facts.directional_blur)

    @property
    def detail(self) -> tuple[float, float, float]:
        return _measured(self.facts.detail)

    @property
    def borders(self) -> Borders:
        return _measured(self.facts.borders)

    @property
    def hashes(self) -> HashFacts:
        return _measured(self.facts.hashes)

    @property
    def colours(self) -> bytes:
        return _measured(self.facts.colours)

    @property
    def background(self) -> BackgroundFacts:
        return _measured(self.facts.background)

    @property
    def faces(self) -> tuple[Face, ...]:
        return _measured(self.facts.faces).faces

    @property
    def subject(self) -> SubjectFacts:
        return _measured(self.facts.subject)


def _measured(part: P | None) -> P:
    if part is None:
        raise LookupError("a rule judges by a part of the facts that it does not name in `parts`")
    return part


@dataclass(frozen=True)
class Evidence:
    """All that a rule may judge by.

    photos: those that training would use, readable or not, sorted by name.  class_images: the same of class images.
    codes: of the rules that judge by it.
    detector: what looked for faces, None when nobody did.  foreign_files: pictures in formats that are not read, names
    by the format's word.  copies: what was measured on pairs of photos.
    """

    dataset: Dataset
    photos: tuple[Measured, ...]
    kind: Kind
    needs: TrainingNeeds
    codes: frozenset[str]
    class_images: tuple[Measured, ...] = ()
    detector: FaceDetector | None = None
    foreign_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    copies: CopyFacts = field(default_factory=CopyFacts)

    @cached_property
    def readable(self) -> tuple[Measured, ...]:
        return tuple(measured for measured in self.photos if measured.facts.file.unreadable is None)

    @cached_property
    def near_index(self) -> NearIndex:
        """The hashes of the readable photos, by position."""
        return NearIndex([measured.hashes for measured in self.readable])

    @cached_property
    def copy_groups(self) -> CopyGroups:
        """Which of the readable photos are one photo."""
        return CopyGroups(self.readable, self.near_index, self.copies)

    def with_copies(self, copies: CopyFacts) -> "Evidence":
        """The same with what was measured on pairs of photos. What the index of hashes found is not sought again."""
        evidence = replace(self, copies=copies)
        known = {name: value for name, value in vars(self).items() if name in ("readable", "near_index")}
        vars(evidence).update(known)
        return evidence


class Rule(ABC):
    """One check. Subclasses are frozen dataclasses: their fields are the thresholds, with defaults.

    severity: of its findings, unless a finding says otherwise.  parts: of the facts, that it judges by.
    copies: of what is measured on pairs, that it judges by.  judges_alone: whether what it says of a photo hangs on no
    other photo.
    mend: what `--fix` does about a photo, or None: "rewrite" it in the copy (safe), "exclude" it (unsafe), or "crop"
    the copy to the finding's region labelled SUBJECT, its other regions outside (unsafe; excluded where it cannot).
    keeps: how many of a finding's photos stay then.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    kinds: ClassVar[frozenset[Kind]] = ALL_KINDS
    parts: ClassVar[frozenset[Part]] = frozenset()
    copies: ClassVar[frozenset[CopyPart]] = frozenset()
    judges_alone: ClassVar[bool] = False
    mend: ClassVar[Mend | None] = None
    keeps: ClassVar[int] = 0
    explanation: ClassVar[str]

    @abstractmethod
    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        """Judge the photos. Cheap: everything expensive was measured before."""

    def parts_for(self, kind: Kind) -> frozenset[Part]:
        """The parts of the facts that it judges by, for that kind of subject."""
        return self.parts

    @property
    def params(self) -> dict[str, float | int]:
        """The thresholds, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def finding(
        self,
        photos: Collection[str],
        message: str,
        fix: str | None = None,
        value: float | int | str | None = None,
        threshold: float | int | str | None = None,
        severity: Severity | None = None,
        regions: Collection[Region] = (),
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            self.code,
            self.name,
            severity or self.severity,
            tuple(photos),
            value,
            threshold,
            message,
            fix,
            tuple(regions),
        )

    def skipped(self, reason: str) -> Skipped:
        """This rule was not applied, or only in part."""
        return Skipped(self.code, reason)
