"""docs/reliability.md says what the tests found, also where that is nothing good."""

from pathlib import Path

import pytest

from tests.faults.outcomes import FILE_VARIABLE, Outcome, append_outcomes, read_outcomes
from tests.faults.page import page


def test_outcomes_are_kept_only_where_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [Outcome("b::two", "disk full", 1, "waits"), Outcome("a::one", "SIGKILL", 3, "resumed", "died")]
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    append_outcomes(outcomes)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "outcomes"))
    for outcome in outcomes:
        append_outcomes([outcome])
    assert read_outcomes(tmp_path / "outcomes") == outcomes[::-1]


def test_of_a_test_that_ran_again_the_last_run_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "outcomes"))
    again = [Outcome("a", "SIGKILL", 3, "resumed"), Outcome("a", "SIGTERM", 3, "stopped")]
    append_outcomes([Outcome("a", "SIGKILL", 1, "the test failed", held=False)])
    append_outcomes(again)
    assert read_outcomes(tmp_path / "outcomes") == again


def test_tries_of_one_fault_add_up() -> None:
    text = page([Outcome("a", "SIGKILL", 3, "resumed", "it died"), Outcome("b", "SIGKILL", 4, "resumed", "it died")])
    assert "| SIGKILL | 7 | resumed | it died |" in text and "tries: 7, kinds of fault: 1, all held" in text


def test_a_test_that_failed_is_not_left_out() -> None:
    text = page([Outcome("a", "SIGKILL", 3, "resumed"), Outcome("b::c", "SIGTERM", 1, "the test failed", held=False)])
    assert "| SIGTERM | 1 | **the test failed**: `b::c` |" in text and "**tests that failed: 1**" in text


def test_what_is_quoted_does_not_break_the_table() -> None:
    assert "| x | 1 | a\\|b c |  |" in page([Outcome("a", "x", 1, "a|b\nc")])


def test_the_folder_of_a_test_is_left_out_of_a_path(tmp_path: Path) -> None:
    assert "| x | 1 | y | resume 'runs/a dog' |" in page([Outcome("a", "x", 1, "y", f"resume '{tmp_path}/runs/a dog'")])
