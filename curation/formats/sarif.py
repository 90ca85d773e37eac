"""The report as SARIF 2.1.0, which code scanning services take.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from curation.checks import RULES, Rule
from curation.formats.text import photos, unused_lines
from curation.report import Finding, Report, Severity
from curation.text import visible

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
INDEX = {code: number for number, code in enumerate(RULES)}


def to_sarif(report: Report) -> str:
    """One run: all rules with their explanations, the findings, suppressed ones marked, and what was not checked.

    Photos are URIs below a base: the folder that lint was called in, or the dataset where its path is absolute.
    Regions are fractions of the photo, which SARIF's regions cannot say: they are among a result's properties.
    """
    run = {
        "tool": {"driver": {"name": "loratui", "rules": [_rule(rule) for rule in RULES.values()]}},
        "columnKind": "unicodeCodePoints",
        **_bases(report),
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(report)}],
        "results": [
            *(_result(report, finding) for finding in report.findings),
            *(
                {**_result(report, one.finding), "suppressions": [_suppression(one.reason)]}
                for one in report.suppressed
            ),
        ],
        "properties": {"verdict": report.verdict, "photos": report.photos, "excluded": report.excluded},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ").capitalize()},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": rule.explanation},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"kinds": sorted(rule.kinds), "params": rule.params},
    }


def _result(report: Report, finding: Finding) -> dict[str, Any]:
    todo = f" To do: {visible(finding.fix)}." if finding.fix else ""
    first, *others = finding.photos or ("",)
    return {
        "ruleId": finding.code,
        "ruleIndex": INDEX[finding.code],
        "level": LEVELS[finding.severity],
        "message": {"text": f"{photos(finding.photos)}: {visible(finding.message)}{todo}"},
        "locations": [_location(report, first)],
        **({"relatedLocations": [_location(report, name) for name in others]} if others else {}),
        "properties": {
            "photos": finding.photos,
            "value": finding.value,
            "threshold": finding.threshold,
            "regions": [asdict(region) for region in finding.regions],
        },
    }


def _suppression(reason: str) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": visible(reason)}


def _notifications(report: Report) -> list[dict[str, Any]]:
    unchecked = [
        {"level": "note", "message": {"text": f"Not checked: {visible(one.reason)}."}, "associatedRule": _of(one.code)}
        for one in report.skipped
    ]
    return [*unchecked, *({"level": "note", "message": {"text": line}} for line in unused_lines(report))]


def _of(code: str) -> dict[str, Any]:
    return {"id": code, "index": INDEX[code]}


def _bases(report: Report) -> dict[str, Any]:
    root = Path(report.dataset)
    return {"originalUriBaseIds": {"PHOTOS": {"uri": f"{root.as_uri()}/"}}} if root.is_absolute() else {}


def _location(report: Report, name: str) -> dict[str, Any]:
    """Of one photo, or of the whole folder for an empty name."""
    root = Path(report.dataset)
    base, path = ("PHOTOS", name or ".") if root.is_absolute() else ("%SRCROOT%", (root / name).as_posix())
    return {"physicalLocation": {"artifactLocation": {"uri": quote(path, errors="surrogatepass"), "uriBaseId": base}}}
