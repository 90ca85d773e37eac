"""The report with one line for each finding, for grep and for editors."""

from curation.formats.text import photos, skipped_lines, unused_lines, verdict_line
from curation.report import Report
from curation.text import visible


def to_concise(report: Report) -> str:
    """`photo: CODE severity message`, worst first, then notes and the verdict; a group's photos share a line."""
    findings = [f"{photos(f.photos)}: {f.code} {f.severity} {visible(f.message)}" for f in report.findings]
    skipped = [f"not checked: {line}" for line in skipped_lines(report.skipped)]
    unused = [f"unused suppression: {line}" for line in unused_lines(report)]
    return "\n".join([*findings, *skipped, *unused, verdict_line(report)])
