"""The report as GitHub's workflow commands, which become annotations of a pull request.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from pathlib import PurePath

from curation.formats.text import photos, skipped_lines, unused_lines, verdict_line
from curation.report import Finding, Report, Severity
from curation.text import visible

COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def to_github(report: Report) -> str:
    """One annotation for each finding, at its first photo; notices of what was not checked; the verdict as text."""
    return "\n".join(
        [
            *(_annotation(report, finding) for finding in report.findings),
            *(f"::notice title=not checked::{_data(line)}" for line in skipped_lines(report.skipped)),
            *(f"::notice title=unused suppression::{_data(line)}" for line in unused_lines(report)),
            verdict_line(report),
        ]
    )


def _annotation(report: Report, finding: Finding) -> str:
    title = _property(f"{finding.code} {finding.rule}")
    where = f"file={_property(visible(_path(report, finding)))}," if finding.photos else ""
    lines = [f"{photos(finding.photos)}: {visible(finding.message)}"]
    lines += [f"To do: {visible(finding.fix)}"] if finding.fix else []
    return f"::{COMMANDS[finding.severity]} {where}title={title}::{_data(chr(10).join(lines))}"


def _path(report: Report, finding: Finding) -> str:
    return (PurePath(report.dataset) / finding.photos[0]).as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
