"""What a rule is: from measured facts to findings, with its thresholds as parameters."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from curation.dataset import Dataset, Photo
from curation.photo import PhotoFacts
from curation.report import Finding, Kind, Severity, Skipped

Mend = Literal["rewrite", "exclude"]
ALL_KINDS: frozenset[Kind] = frozenset({"person", "object", "style", "character"})


@dataclass(frozen=True)
class TrainingNeeds:
    """What the rules must know about the training to come.

    resolution: training size in pixels.  token_abstraction: trigger words, of which every caption needs one.
    """

    resolution: int = 1024
    token_abstraction: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A photo and its facts."""

    photo: Photo
    facts: PhotoFacts

    @property
    def name(self) -> str:
        return self.photo.name


@dataclass(frozen=True)
class Evidence:
    """All that a rule may judge by.  photos: those that training would use, readable or not, sorted by name."""

    dataset: Dataset
    photos: tuple[Measured, ...]
    kind: Kind
    needs: TrainingNeeds

    @property
    def readable(self) -> tuple[Measured, ...]:
        return tuple(measured for measured in self.photos if measured.facts.unreadable is None)


class Rule(ABC):
    """One check. Subclasses are frozen dataclasses: their fields are the thresholds, with defaults.

    severity: of its findings, unless a finding says otherwise.  mend: what `--fix` does about a photo: "rewrite" it
    in the copy (safe), or "exclude" it (unsafe), or None.  keeps: how many of a finding's photos stay then.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    kinds: ClassVar[frozenset[Kind]] = ALL_KINDS
    mend: ClassVar[Mend | None] = None
    keeps: ClassVar[int] = 0
    explanation: ClassVar[str]

    @abstractmethod
    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        """Judge the photos. Cheap: everything expensive was measured before."""

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
    ) -> Finding:
        """A finding of this rule."""
        return Finding(self.code, self.name, severity or self.severity, tuple(photos), value, threshold, message, fix)

    def skipped(self, reason: str) -> Skipped:
        """This rule was not applied, or only in part."""
        return Skipped(self.code, reason)
