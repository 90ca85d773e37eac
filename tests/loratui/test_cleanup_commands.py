"""`rm` and `gc` ask, say what goes, and never touch what goes on."""

import json
from pathlib import Path

from tests.loratui.made_runs import made_run
from tests.loratui.program import run_loratui


def test_nothing_is_removed_without_a_yes(tmp_path: Path) -> None:
    run = made_run(tmp_path, "her", "finished", checkpoints=[100, 200])
    for command in (["rm", "her"], ["gc"]):
        done = run_loratui(*command, "--runs-dir", tmp_path)
        assert done.returncode == 2 and "--yes" in done.stderr
    assert len(list(run.checkpoints.iterdir())) == 2


def test_runs_are_removed_together_or_not_at_all(tmp_path: Path) -> None:
    for name in ("one", "two", "live"):
        made_run(tmp_path, name, "running" if name == "live" else "stopped")
    live = made_run(tmp_path, "alive", "running")
    with live.lock():
        refused = run_loratui("rm", "one", "alive", "--yes", "--runs-dir", tmp_path)
    assert refused.returncode == 2 and "loratui stop" in refused.stderr
    assert run_loratui("rm", "one", "none", "--yes", "--runs-dir", tmp_path).returncode == 2
    assert (tmp_path / "one").is_dir() and live.path.is_dir()
    assert run_loratui("rm", "one", "two", "one", "--yes", "--runs-dir", tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alive", "live"]


def test_what_would_go_is_listed_with_its_size_and_then_goes(tmp_path: Path) -> None:
    run = made_run(tmp_path, "her", "finished", checkpoints=[100, 200])
    shown = run_loratui("gc", "--dry-run", "--runs-dir", tmp_path)
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == ["    3 MB  her: checkpoint 000100", "    3 MB  together"]
    assert len(list(run.checkpoints.iterdir())) == 2

    done = run_loratui("gc", "--yes", "--json", "--runs-dir", tmp_path)
    said = json.loads(done.stdout)
    [item] = said["items"]
    assert set(said) == {"version", "removed", "size", "items"} and said["removed"] is True
    assert item == {
        "kind": "checkpoint",
        "run": "her",
        "why": "checkpoint 000100",
        "size": said["size"],
        "paths": [str(run.checkpoints / "000100")],
    }
    assert [path.name for path in run.checkpoints.iterdir()] == ["000200"]
    assert json.loads(run_loratui("gc", "--dry-run", "--json", "--runs-dir", tmp_path).stdout)["items"] == []
