"""A report reads the same to a person and to a program."""

import json

from curation import Finding, Report, Skipped, to_json
from curation.report import to_text

BLURRED = Finding("IMG002", "blurred", "warning", ("a.jpg",), 41.5, 60.0, "Nothing is sharp.", "use another")
EVIL = Finding("CAP003", "identical-captions", "info", ("\x1b[2J[red].jpg",), None, None, "it says\n\x1b[31mred", None)
ERROR = Finding("FIL001", "unreadable", "error", ("b.jpg",), None, None, "It cannot be read.", None)


def report(*findings: Finding) -> Report:
    return Report("photos", 3, findings, (Skipped("FAC004", "no face pack"),))


def test_the_verdict_follows_the_worst_finding() -> None:
    assert report().verdict == "ready"
    assert report(EVIL).verdict == "ready"
    assert report(EVIL, BLURRED).verdict == "attention"
    assert report(EVIL, BLURRED, ERROR).verdict == "blocked"


def test_a_severity_is_reached_by_itself_and_by_worse_ones() -> None:
    assert report(BLURRED).reaches("warning")
    assert report(BLURRED).reaches("info")
    assert not report(BLURRED).reaches("error")
    assert not report().reaches("info")


def test_json_has_exactly_the_promised_fields() -> None:
    assert json.loads(to_json(report(BLURRED))) == {
        "version": 1,
        "dataset": "photos",
        "photos": 3,
        "verdict": "attention",
        "findings": [
            {
                "code": "IMG002",
                "rule": "blurred",
                "severity": "warning",
                "photos": ["a.jpg"],
                "value": 41.5,
                "threshold": 60.0,
                "message": "Nothing is sharp.",
                "fix": "use another",
                    "regions": [],
            }
        ],
        "skipped": [{"code": "FAC004", "reason": "no face pack"}],
    }


def test_text_shows_findings_fixes_skipped_checks_and_the_verdict() -> None:
    assert to_text(report(BLURRED)).splitlines() == [
        "warning IMG002 blurred",
        "  a.jpg: Nothing is sharp.",
        "    fix: use another",
        "",
        "not checked",
        "  FAC004: no face pack",
        "",
        "Needs attention: 3 photos, 0 errors, 1 warning, 0 info.",
    ]


def test_outside_text_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in to_text(report(EVIL))
    assert r"\x1b[2J[red].jpg: it says\n\x1b[31mred" in to_text(report(EVIL))
    assert "\x1b" not in to_json(report(EVIL))
