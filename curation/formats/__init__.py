"""How a report is written: one module for each format, one function from the report to its text."""

from collections.abc import Callable
from typing import Literal

from curation.report import Report

Format = Literal["text", "concise", "json", "github", "sarif", "html"]


def render(report: Report, format: Format, on_progress: Callable[[int, int], None] = lambda done, total: None) -> str:
    """The report in that format, without a trailing newline.

    on_progress: told (done, total) of the pictures that html needs to be made.
    """
    # Imported one at a time: most of them need the rules, which bring numpy and OpenCV.
    match format:
        case "text":
            from curation.formats.text import to_text

            return to_text(report)
        case "concise":
            from curation.formats.concise import to_concise

            return to_concise(report)
        case "json":
            from curation.formats.json import to_json

            return to_json(report)
        case "github":
            from curation.formats.github import to_github

            return to_github(report)
        case "sarif":
            from curation.formats.sarif import to_sarif

            return to_sarif(report)
        case "html":
            from curation.formats.html import to_html

            return to_html(report, on_progress)
