"""The report for a reader in a terminal."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from curation.report import SEVERITIES, VERDICT_WORDS, Count, Finding, Report, Skipped
from curation.text import counted, visible
from curation.verdict import actions


def to_text(report: Report) -> str:
    """Findings grouped by rule, worst first; what was not checked; unused suppressions; what to do; the verdict."""
    lines: list[str] = []
    for (severity, code, rule), group in groupby(report.findings, lambda f: (f.severity, f.code, f.rule)):
        lines += [f"{severity} {code} {rule}", *_group_lines(list(group)), ""]
    if report.skipped:
        lines += ["not checked", *(f"  {line}" for line in skipped_lines(report.skipped)), ""]
    if unused := unused_lines(report):
        lines += ["unused suppressions", *(f"  {line}" for line in unused), ""]
    if todo := actions(report):
        lines += ["do first", *(f"  {number}. {visible(one.text)}" for number, one in enumerate(todo, 1)), ""]
    return "\n".join([*lines, verdict_line(report)])


def statistics_text(report: Report) -> str:
    """How often each rule found something, as a table, and the verdict."""
    rows = [("", "", "", "findings", "photos", "suppressed"), *map(_cells, report.statistics)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([*(lines if report.statistics else []), verdict_line(report)])


def verdict_line(report: Report) -> str:
    """The verdict and the counts behind it, in one line."""
    judged = counted(report.photos - report.excluded, "photo")
    photos = f"{judged} judged and {report.excluded} left out" if report.excluded else judged
    counts = [counted(sum(f.severity == severity for f in report.findings), severity) for severity in SEVERITIES]
    suppressed = [f"{len(report.suppressed)} suppressed"] if report.suppressed else []
    return f"{VERDICT_WORDS[report.verdict]}: {', '.join([photos, *counts, *suppressed])}."


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """What was not checked: each reason with the rules that it kept from being applied."""
    codes: dict[str, list[str]] = {}
    for one in sorted(skipped, key=lambda one: one.code):
        codes.setdefault(one.reason, []).append(one.code)
    return [f"{', '.join(of_reason)}: {visible(reason)}" for reason, of_reason in codes.items()]


def unused_lines(report: Report) -> list[str]:
    """The suppressions that match nothing."""
    return [
        f"{one.code} {photos(one.photos)}: matches nothing any more ({visible(one.reason)}, {visible(one.date)})"
        for one in report.unused_suppressions
    ]


def photos(names: Iterable[str]) -> str:
    """The photos that something is about, in one line."""
    return ", ".join(visible(name) for name in names) or "the whole set"


def _group_lines(findings: Sequence[Finding]) -> list[str]:
    """The findings of one rule; each fix stands once, after the findings that share it."""
    lines = []
    for fix, sharing in groupby(findings, lambda finding: finding.fix):
        lines += [f"  {photos(finding.photos)}: {visible(finding.message)}" for finding in sharing]
        lines += [f"    fix: {visible(fix)}"] if fix else []
    return lines


def _cells(count: Count) -> tuple[str, ...]:
    numbers = (count.findings, count.photos, count.suppressed)
    return (count.severity, count.code, count.rule, *map(str, numbers))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    return [
        cell.ljust(width) if column < 3 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
