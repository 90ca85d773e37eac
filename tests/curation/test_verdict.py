"""What to do first: few actions, merged from many findings, worst first."""

from curation import Finding, Report, Severity
from curation.checks import RULES
from curation.verdict import MOST_ACTIONS, Action, actions


def finding(code: str, *photos: str, severity: Severity | None = None, fix: str | None = "mend it") -> Finding:
    rule = RULES[code]
    return Finding(code, rule.name, severity or rule.severity, photos, None, None, "It is so.", fix)


def report(*findings: Finding, photos: int = 20, excluded: int = 0) -> Report:
    return Report("photos", photos, findings, (), excluded)


def test_a_clean_set_asks_for_nothing() -> None:
    assert actions(report()) == ()
    assert actions(report(finding("IMG002", "a.jpg", fix=None))) == ()


def test_a_photo_with_several_faults_is_one_action_which_settles_its_other_findings() -> None:
    found = report(
        finding("DUP002", "a.jpg", "b.jpg"),
        finding("IMG001", "a.jpg", severity="warning"),
        finding("IMG001", "c.jpg", severity="warning"),
        finding("IMG002", "a.jpg"),
    )
    assert actions(found) == (
        Action("Replace a.jpg, or leave it out: below-resolution, blurred.", ("IMG001", "IMG002"), ("a.jpg",)),
        Action("Mend it: c.jpg (below-resolution).", ("IMG001",), ("c.jpg",)),
    )


def test_where_most_photos_have_several_faults_leaving_them_out_is_no_advice() -> None:
    names = ("a.jpg", "b.jpg", "c.jpg")
    found = [finding(code, name, severity="warning") for code in ("IMG001", "IMG002") for name in names]
    assert [action.codes for action in actions(report(*found, photos=5))] == [("IMG001",), ("IMG002",)]
    assert [action.codes for action in actions(report(*found, photos=6))] == [("IMG001", "IMG002")]
    assert [action.codes for action in actions(report(*found, photos=6, excluded=1))] == [("IMG001",), ("IMG002",)]


def test_copies_are_left_out_in_one_action_that_names_what_stays() -> None:
    (action,) = actions(report(finding("DUP001", "a.jpg", "b.jpg", "c.jpg"), finding("DUP001", "d.jpg", "e.jpg")))
    assert action == Action(
        "Leave out b.jpg, c.jpg and e.jpg and keep a.jpg and d.jpg: exact-duplicate.",
        ("DUP001",),
        ("b.jpg", "c.jpg", "e.jpg"),
    )


def test_of_photos_at_one_place_all_but_a_few_are_replaced_each_place_being_an_action() -> None:
    kitchen = [f"kitchen {number}.jpg" for number in range(1, 6)]
    first, second = actions(report(finding("SET001", *kitchen), finding("SET001", "x.jpg", "y.jpg", "z.jpg")))
    assert first.text == (
        "Replace 3 of these 5 photos: kitchen 1.jpg, kitchen 2.jpg, kitchen 3.jpg, kitchen 4.jpg and kitchen 5.jpg "
        "(repeated-background)."
    )
    assert second.photos == ("x.jpg", "y.jpg", "z.jpg")


def test_what_fix_mends_is_one_action_whatever_the_rules() -> None:
    rewriting = [code for code, rule in RULES.items() if rule.mend == "rewrite"][:2]
    (action,) = actions(report(*(finding(code, "a.jpg", severity="warning") for code in rewriting)))
    assert action.codes == tuple(rewriting) and action.photos == ("a.jpg",) and "lint --fix" in action.text


def test_the_whole_set_is_told_in_the_findings_own_words() -> None:
    (action,) = actions(report(finding("SET002", severity="warning", fix="add photos that show something new")))
    assert action.text == "Add photos that show something new (too-few-photos)."


def test_many_photos_are_counted_and_not_all_named() -> None:
    (action,) = actions(report(finding("CAP002", *(f"{number}.jpg" for number in range(9)))))
    assert action.text == "Mend it: 0.jpg, 1.jpg, 2.jpg, 3.jpg and 5 more (trigger-word-absent)."
    assert len(action.photos) == 9


def test_actions_are_few_and_the_first_findings_come_first() -> None:
    codes = [code for code, rule in RULES.items() if rule.mend is None]
    found = [finding(code, f"{code}.jpg", severity="warning") for code in codes]
    assert [action.codes for action in actions(report(*found))] == [(code,) for code in codes[:MOST_ACTIONS]]


def test_notes_ask_for_something_only_where_nothing_is_worse() -> None:
    note, warning = finding("CAP001", "a.jpg", severity="info"), finding("IMG002", "b.jpg")
    assert [action.codes for action in actions(report(warning, note))] == [("IMG002",)]
    assert [action.codes for action in actions(report(note))] == [("CAP001",)]


def test_the_rules_are_in_the_order_of_what_spoils_a_training_most() -> None:
    order = list(RULES)
    for worse, better in [("FIL001", "FAC004"), ("FAC004", "IMG002"), ("FAC009", "IMG002"), ("DUP001", "IMG002")]:
        if worse in order:
            assert order.index(worse) < order.index(better)
