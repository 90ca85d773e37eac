"""Findings as rows: grouped, filtered, and known again in the next report."""

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.report import Finding, Report, Skipped
from loratui.photos.findings import keyed, leaving, matching, merged, rows

NAMES = st.lists(st.sampled_from(["a.png", "b.png", "c [red].png"]), unique=True, max_size=3).map(tuple)
FINDINGS = st.builds(
    lambda code, photos, severity: Finding(code, "a-rule", severity, photos, None, None, "It is so.", None),
    st.sampled_from(["DUP001", "IMG002", "SET001"]),
    NAMES,
    st.sampled_from(["error", "warning", "info"]),
)


def finding(code: str, *photos: str) -> Finding:
    return Finding(code, "a-rule", "warning", photos, None, None, "It is so.", None)


def report(*findings: Finding) -> Report:
    return Report("photos", 3, findings, (Skipped("FAC001", "nobody looked for faces"),))


@settings(deadline=None)  # the rules are imported once
@given(st.lists(FINDINGS, max_size=12), st.sampled_from(["rule", "photo"]))
def test_every_entry_has_a_line_and_folding_hides_only_members(findings: list[Finding], by: str) -> None:
    entries = keyed(report(*findings))
    assert len(entries) == len(findings) + 1
    lines = rows(entries, "photo" if by == "photo" else "rule")
    assert {key for row in lines.values() if not row.is_group for key in row.entries} == set(entries)
    groups = {key for key, row in lines.items() if row.is_group}
    folded = rows(entries, "photo" if by == "photo" else "rule", groups)
    assert list(folded) == [key for key, row in lines.items() if not row.is_member]


def test_a_finding_has_the_same_key_when_others_come() -> None:
    first, second = finding("IMG002", "a.png"), finding("IMG002", "b.png")
    alone, together = rows(keyed(report(second)), "rule"), rows(keyed(report(first, second)), "rule")
    assert set(alone) <= set(together)


def test_all_words_of_a_filter_must_occur_somewhere() -> None:
    entries = keyed(report(finding("IMG002", "a.png"), finding("DUP001", "b.png", "c.png")))
    assert [entry.code for entry in matching(entries, "WARNING c.png").values()] == ["DUP001"]
    assert [entry.code for entry in matching(entries, "not faces").values()] == ["FAC001"]
    assert matching(entries, "  ") == entries
    assert not matching(entries, "a.png dup001")


def test_of_copies_the_first_stays_unless_another_photo_is_meant() -> None:
    copies, blurred = finding("DUP001", "a.png", "b.png"), finding("IMG002", "c.png")
    assert list(leaving([copies, blurred], None)) == ["b.png", "c.png"]
    assert list(leaving([copies], "a.png")) == ["a.png"]
    assert not leaving([finding("REG002", "class.png")], None)


def test_early_findings_come_once_and_worst_first() -> None:
    worse = Finding("FIL001", "unreadable", "error", ("c.png",), None, None, "It is broken.", None)
    one = finding("IMG002", "a.png")
    assert merged(merged(report(), [one]), [one, worse]).findings == (worse, one)
