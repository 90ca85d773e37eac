"""The report for programs; docs/machine-output.md is its contract."""

import json
from dataclasses import asdict

from curation.report import Report
from curation.verdict import actions


def to_json(report: Report) -> str:
    """The report as one JSON object (version 1). ASCII, so any terminal can carry it."""
    return json.dumps(
        {
            "version": 1,
            "dataset": report.dataset,
            "photos": report.photos,
            "excluded": report.excluded,
            "verdict": report.verdict,
            "actions": [asdict(action) for action in actions(report)],
            "findings": [asdict(finding) for finding in report.findings],
            "skipped": [asdict(skipped) for skipped in report.skipped],
            "suppressed": [{**asdict(one.finding), "reason": one.reason} for one in report.suppressed],
            "unused_suppressions": [
                {"code": one.code, "photos": list(one.photos), "reason": one.reason, "date": one.date}
                for one in report.unused_suppressions
            ],
            "statistics": [asdict(count) for count in report.statistics],
        },
        indent=2,
    )
