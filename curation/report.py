"""What a lint found, as values, and as JSON or text."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Literal

from curation.text import visible

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
class Report:
    """The findings on a dataset, worst first.  photos: how many candidate files it has, readable or not."""

    dataset: str
    photos: int
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    @property
    def verdict(self) -> Verdict:
        """`blocked` by any error, `attention` for any warning, else `ready`."""
        severities = {finding.severity for finding in self.findings}
        if "error" in severities:
            return "blocked"
        return "attention" if "warning" in severities else "ready"

    def reaches(self, severity: Severity) -> bool:
        """Whether any finding is of this severity or worse."""
        bad = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return any(finding.severity in bad for finding in self.findings)


def to_json(report: Report) -> str:
    """The report as one JSON object (version 1), without a trailing newline. ASCII, so any terminal can carry it."""
    return json.dumps(
        {
            "version": 1,
            "dataset": report.dataset,
            "photos": report.photos,
            "verdict": report.verdict,
            "findings": [asdict(finding) for finding in report.findings],
            "skipped": [asdict(skipped) for skipped in report.skipped],
        },
        indent=2,
    )


def to_text(report: Report) -> str:
    """The report for a reader: findings grouped by rule, worst first, then what was not checked, then the verdict."""
    lines: list[str] = []
    for (severity, code, rule), group in groupby(report.findings, lambda f: (f.severity, f.code, f.rule)):
        lines += [f"{severity} {code} {rule}", *_group_lines(list(group)), ""]
    if report.skipped:
        lines += ["not checked", *_skipped_lines(report.skipped), ""]
    return "\n".join([*lines, verdict_line(report)])


def verdict_line(report: Report) -> str:
    """The verdict and the counts behind it, in one line."""
    counts = [_count(sum(f.severity == severity for f in report.findings), severity) for severity in SEVERITIES]
    return f"{VERDICT_WORDS[report.verdict]}: {_count(report.photos, 'photo')}, {', '.join(counts)}."


def _group_lines(findings: Sequence[Finding]) -> list[str]:
    """The findings of one rule; each fix stands once, after the findings that share it."""
    lines = []
    for fix, sharing in groupby(findings, lambda finding: finding.fix):
        for finding in sharing:
            photos = ", ".join(visible(name) for name in finding.photos) or "the whole set"
            lines.append(f"  {photos}: {visible(finding.message)}")
        lines += [f"    fix: {visible(fix)}"] if fix else []
    return lines


def _skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    codes: dict[str, list[str]] = {}
    for one in sorted(skipped, key=lambda one: one.code):
        codes.setdefault(one.reason, []).append(one.code)
    return [f"  {', '.join(of_reason)}: {visible(reason)}" for reason, of_reason in codes.items()]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 or word == "info" else f"{number} {word}s"
