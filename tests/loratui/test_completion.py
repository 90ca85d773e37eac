"""The names of runs complete in the shell, without loading what training needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loratui.made_runs import made_run

ASK = "import sys; from loratui.command_line import app; app(prog_name='loratui')"


def completed(words: str, runs: Path) -> list[str]:
    asked = {
        "_LORATUI_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "LORATUI_RUNS": str(runs),
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", ASK], env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert not [line for line in done.stderr.splitlines() if line.split("|")[-1].strip() in ("torch", "textual")]
    return done.stdout.split()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("her", "him", "cat"):
        made_run(tmp_path / "runs", name, "stopped")
    return tmp_path / "runs"


@pytest.mark.parametrize("command", ["attach", "stop", "rm cat", "generate"])
def test_names_of_runs_complete(runs: Path, command: str) -> None:
    assert completed(f"loratui {command} h", runs) == ["her", "him"]


def test_they_are_those_of_the_folder_that_is_named(runs: Path, tmp_path: Path) -> None:
    assert completed(f"loratui log --runs-dir {runs} c", tmp_path) == ["cat"]
    assert completed("loratui log ", tmp_path / "none") == []
