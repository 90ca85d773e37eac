"""The program's own commands as jobs of a screen: their words come back, and they end when they are not wanted."""

from pathlib import Path

import pytest

from curation.errors import StatedError
from loratui.jobs import Cancelled, Job
from loratui.own_command import run_own_command


def test_a_commands_words_and_its_exit_code_come_back() -> None:
    code, said = run_own_command(Job("Explaining"), "explain", "DUP001")
    assert code == 0 and "DUP001" in said


def test_a_command_that_refuses_says_so_in_two_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StatedError) as caught:
        run_own_command(Job("Listing"), "files", "nothing")
    assert caught.value.problem == "There is no run 'nothing'."
    assert caught.value.remedy == "There are no runs in runs yet."


def test_a_command_that_is_not_wanted_any_more_is_ended() -> None:
    job = Job("Explaining")
    job.cancel()
    with pytest.raises(Cancelled):
        run_own_command(job, "explain")
