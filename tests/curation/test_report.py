"""A report's verdict and its counts follow from its findings."""

from curation import Finding, Report, Skipped
from curation.report import Count, Suppressed

BLURRED = Finding("IMG002", "blurred", "warning", ("a.jpg",), 41.5, 60.0, "Nothing is sharp.", "use another")
SOFT = Finding("IMG002", "blurred", "info", ("b.jpg",), 99.5, 135.0, "It is rather soft.", "look at it")
NOTE = Finding("SET002", "too-few-photos", "info", (), 3, 10, "Photos: 3.", None)
ERROR = Finding("FIL001", "unreadable", "error", ("b.jpg",), None, None, "It cannot be read.", None)


def report(*findings: Finding) -> Report:
    return Report("photos", 3, findings, (Skipped("FAC004", "no face pack"),))


def test_the_verdict_follows_the_worst_finding() -> None:
    assert report().verdict == "ready"
    assert report(NOTE).verdict == "ready"
    assert report(BLURRED, NOTE).verdict == "attention"
    assert report(ERROR, BLURRED, NOTE).verdict == "blocked"


def test_a_severity_is_reached_by_itself_and_by_worse_ones() -> None:
    assert report(BLURRED).reaches("warning")
    assert report(BLURRED).reaches("info")
    assert not report(BLURRED).reaches("error")
    assert not report().reaches("info")


def test_statistics_count_by_rule_at_its_worst_severity_and_tell_what_is_suppressed() -> None:
    suppressed = (Suppressed(ERROR, "known"), Suppressed(BLURRED, "fog"))
    assert Report("photos", 3, (BLURRED, SOFT, NOTE), (), suppressed=suppressed).statistics == (
        Count("IMG002", "blurred", "warning", 2, 2, 1),
        Count("SET002", "too-few-photos", "info", 1, 0, 0),
        Count("FIL001", "unreadable", "error", 0, 0, 1),
    )
