"""Which rules are applied: codes and prefixes, chosen and left out, in a lora.toml and over it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import CurationError
from curation.checks import RULES
from curation.selection import Selection

FAMILIES = sorted({code[:3] for code in RULES})


def codes(selection: Selection) -> set[str]:
    """The rules that apply to some kind of subject."""
    return {rule.code for kind in ("person", "object", "style", "character") for rule in selection.rules(kind)}


def test_all_rules_apply_unless_some_are_chosen() -> None:
    assert codes(Selection()) == set(RULES)
    assert codes(Selection(select=("dup",))) == {code for code in RULES if code.startswith("DUP")}


def test_rules_of_another_kind_do_not_apply() -> None:
    assert all("style" in rule.kinds for rule in Selection().rules("style"))
    assert len(Selection().rules("style")) < len(RULES)


def test_a_code_counts_for_more_than_its_family_and_ignoring_for_more_than_choosing() -> None:
    assert "IMG002" in codes(Selection(ignore=("IMG",), extend_select=("IMG002",)))
    assert "IMG002" in codes(Selection(select=("IMG002",), ignore=("IMG",)))
    assert "IMG002" not in codes(Selection(select=("IMG",), ignore=("IMG002",)))
    assert "IMG002" not in codes(Selection(select=("IMG002",), ignore=("IMG002",)))


@given(st.lists(st.sampled_from([*RULES, *FAMILIES])), st.lists(st.sampled_from([*RULES, *FAMILIES])))
def test_what_is_ignored_by_its_code_is_never_applied(select: list[str], ignore: list[str]) -> None:
    applied = codes(Selection(select=tuple(select), ignore=tuple(ignore)))
    assert applied.isdisjoint(ignore)
    assert set(select) & set(RULES) - set(ignore) <= applied


def test_a_command_line_goes_over_a_config() -> None:
    config = Selection(select=("DUP",), ignore=("DUP001", "IMG"), severity={"DUP": "info"})
    assert codes(config.over(ignore=["DUP002"])) == codes(config) - {"DUP002"}
    assert "DUP001" in codes(config.over(extend_select=["dup001"]))
    assert codes(config.over(select=["DUP001", "IMG002"])) == {"DUP001", "IMG002"}
    judged = config.over(severity={"DUP001": "error"})
    assert (judged.severity_of("DUP001", "warning"), judged.severity_of("DUP002", "warning")) == ("error", "info")
    assert judged.severity_of("IMG002", "warning") == "warning"


def test_thresholds_are_those_that_were_chosen() -> None:
    selection = Selection(params={"img002": {"blurred_below": 10}})
    blurred = next(rule for rule in selection.rules("object") if rule.code == "IMG002")
    assert blurred.params["blurred_below"] == 10
    assert blurred.params["soft_below"] == RULES["IMG002"].params["soft_below"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"select": ("IMG02",)}, "Did you mean IMG002"),
        ({"extend_select": ("DUPP",)}, "DUPP"),
        ({"ignore": ("",)}, "No rule"),
        ({"severity": {"CAB": "info"}}, "CAB"),
        ({"params": {"IMG2": {}}}, "Did you mean IMG002"),
        ({"params": {"IMG002": {"blured_below": 1}}}, "Did you mean blurred_below"),
        ({"params": {"SET001": {"group": 2.5}}}, "whole number"),
    ],
)
def test_what_does_not_exist_is_refused_and_the_nearest_named(wrong: dict, said: str) -> None:
    with pytest.raises(CurationError, match=said):
        Selection(**wrong)
