"""Runs from the command line: they go on without it, end in a checkpoint, and are told truthfully."""

import os
import shutil
from pathlib import Path

import pytest

from engine.config import TrainConfig
from engine.events import EventFollower, Step
from engine.rundir import RunDir, create_run
from tests.loratui.made_runs import made_run
from tests.loratui.program import run_loratui, runs_json, wait_until, write_tiny_config

# Far more steps than a test waits for.
LONG = 100_000


def steps(run: RunDir) -> list[int]:
    return [event.step for event in EventFollower(run.events_file) if isinstance(event, Step)]


def end(run: RunDir) -> None:
    """Leave no worker behind, whatever the test found."""
    if run.is_alive():
        run.request("stop")
        wait_until(lambda: not run.is_alive(), "the worker's end")


def test_a_finished_run_has_its_files_and_says_so(finished_run: Path) -> None:
    listed = runs_json(finished_run.parent)["done"]
    told = {"name", "path", "state", "message", "pid", "step", "total_steps", "loss", "started", "updated"}
    assert set(listed) == told | {"effective_lr", "eta_seconds", "age_seconds", "disk", "worked_seconds", "cost"}
    assert (listed["state"], listed["step"], listed["total_steps"]) == ("finished", 6, 6)
    assert listed["path"] == str(finished_run)
    written = {path.name for path in (finished_run / "output").glob("*.safetensors")}
    assert written == {"pytorch_lora_weights.safetensors", "done.safetensors", "done_emb.safetensors"}


def test_the_table_of_runs_names_state_and_step(finished_run: Path) -> None:
    table = run_loratui("runs", "--runs-dir", finished_run.parent).stdout
    assert "done" in table and "finished" in table and "6/6" in table


def test_attach_shows_the_whole_history_and_returns_the_runs_exit_code(finished_run: Path) -> None:
    done = run_loratui("attach", "done", "--runs-dir", finished_run.parent)
    assert done.returncode == 0
    assert "done starts on" in done.stderr and "pivot" in done.stderr and "step 6/6" in done.stderr
    assert done.stdout == f"{finished_run / 'output'}\n"


def test_runs_are_found_through_the_environment(finished_run: Path) -> None:
    listed = run_loratui("runs", "--json", env={**os.environ, "LORATUI_RUNS": str(finished_run.parent)})
    assert '"done"' in listed.stdout


def test_an_option_of_the_tui_before_a_command_is_not_passed_over(tmp_path: Path) -> None:
    here, there = made_run(tmp_path / "runs", "dog", "finished"), made_run(tmp_path / "B", "dog", "finished")
    done = run_loratui("--runs-dir", tmp_path / "B", "rm", "dog", "--yes", cwd=tmp_path)
    assert done.returncode == 2 and "--runs-dir" in done.stderr and "Write it after rm" in done.stderr
    assert here.path.is_dir() and there.path.is_dir()
    for option in ("--photos", "--run"):
        assert run_loratui(option, "dog", "runs", cwd=tmp_path).returncode == 2


def test_stopping_or_resuming_a_finished_run_is_refused(finished_run: Path) -> None:
    for command in ("stop", "resume"):
        done = run_loratui(command, "done", "--runs-dir", finished_run.parent)
        assert done.returncode == 2 and "finished" in done.stderr


def test_a_run_that_has_no_worker_yet_is_stopped_at_once(tmp_path: Path) -> None:
    create_run(tmp_path, "waiting", TrainConfig())
    assert run_loratui("stop", "waiting", "--runs-dir", tmp_path).returncode == 0
    assert runs_json(tmp_path)["waiting"]["state"] == "stopped"


@pytest.mark.slow
def test_a_detached_run_is_stopped_with_a_checkpoint_and_goes_on_from_it(sample_photos: Path, tmp_path: Path) -> None:
    config = write_tiny_config(tmp_path / "lora.toml", sample_photos, steps=LONG)
    runs = tmp_path / "runs"
    done = run_loratui("train", config, "--detach", "--name", "long", "--runs-dir", runs)
    run = RunDir(runs / "long")
    try:
        assert done.returncode == 0 and done.stdout == "long\n"
        wait_until(lambda: len(steps(run)) >= 3, "three steps")
        assert run_loratui("stop", "long", "--runs-dir", runs).returncode == 0
        assert run.status().state == "stopped"
        stopped_at = run.status().step
        assert (run.checkpoints / f"{stopped_at:06d}" / "manifest.json").is_file()
        assert (run.output / "long.safetensors").is_file()
        assert run_loratui("resume", "long", "--detach", "--runs-dir", runs).stdout == "long\n"
        wait_until(lambda: run.status().step > stopped_at, "a step after the checkpoint")
        assert steps(run) == sorted(set(steps(run)))
    finally:
        end(run)


def test_a_run_folder_with_a_hostile_name_is_shown_and_not_obeyed(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "a\x1b[31mb")
    table = run_loratui("runs", "--runs-dir", tmp_path).stdout
    assert "\x1b" not in table and r"a\x1b[31mb" in table
