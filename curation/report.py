"""What a lint found, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
Verdict = Literal["ready", "attention", "blocked"]
Kind = Literal["person", "object", "style", "character"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""

VERDICT_WORDS: dict[Verdict, str] = {"ready": "Ready", "attention": "Needs attention", "blocked": "Blocked"}


@dataclass(frozen=True)
class Region:
    """A box in one photo that a finding is about.

    label: what it holds.  left, top, width, height: fractions of the upright photo's width and height.
    """

    photo: str
    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Finding:
    """One problem.  photos: names, the one to keep first where copies are concerned.

    value and threshold: what was measured and the limit it passed, None where there is nothing to measure.
    fix: what to do about it, None when nothing needs to be done.  regions: where in the photos it is.
    """

    code: str
    rule: str
    severity: Severity
    photos: tuple[str, ...]
    value: float | int | str | None
    threshold: float | int | str | None
    message: str
    fix: str | None
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A check that was not made, which is not the same as one that passed."""

    code: str
    reason: str


@dataclass(frozen=True)
class Suppression:
    """A person's word that what a rule finds on these photos is fine.

    photos: the SHA-256 of each file, by the name it had then; none for findings about the whole set.
    date: of the decision, as 2026-11-23.
    """

    code: str
    photos: Mapping[str, str]
    reason: str
    date: str


@dataclass(frozen=True)
class Suppressed:
    """A finding that a person said is fine, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True)
class Count:
    """Of one rule: its worst severity, its findings, the different photos that they name, and suppressed findings."""

    code: str
    rule: str
    severity: Severity
    findings: int
    photos: int
    suppressed: int


@dataclass(frozen=True)
class Report:
    """The findings on a dataset, worst first.

    photos: how many candidate files it has, readable or not.  excluded: how many of them are left out, and not judged.
    unused_suppressions: those whose rule was applied, and found nothing that they speak of.
    """

    dataset: str
    photos: int
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    excluded: int = 0
    suppressed: tuple[Suppressed, ...] = ()
    unused_suppressions: tuple[Suppression, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """`blocked` by any error, `attention` for any warning, else `ready`."""
        severities = {finding.severity for finding in self.findings}
        if "error" in severities:
            return "blocked"
        return "attention" if "warning" in severities else "ready"

    @property
    def statistics(self) -> tuple[Count, ...]:
        """How often each rule found something, in the order of the findings; then those that are only suppressed."""
        everything = [*self.findings, *(one.finding for one in self.suppressed)]
        firsts: dict[str, Finding] = {}
        for finding in everything:
            firsts.setdefault(finding.code, finding)
        return tuple(map(self._count, firsts.values()))

    def reaches(self, severity: Severity) -> bool:
        """Whether any finding is of this severity or worse."""
        bad = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return any(finding.severity in bad for finding in self.findings)

    def _count(self, first: Finding) -> Count:
        findings = [finding for finding in self.findings if finding.code == first.code]
        photos = {name for finding in findings for name in finding.photos}
        suppressed = sum(one.finding.code == first.code for one in self.suppressed)
        return Count(first.code, first.rule, first.severity, len(findings), len(photos), suppressed)
