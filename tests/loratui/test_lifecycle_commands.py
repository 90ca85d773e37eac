"""A run is stopped, paused, continued and never left in doubt."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import EventFollower, Started, Step, Stopped
from engine.rundir import RunDir, State
from tests.loratui.made_runs import made_run
from tests.loratui.program import run_loratui, runs_json, wait_until, write_tiny_config

DEAF_WORKER = """
import dataclasses, os, signal, sys, time
from pathlib import Path
from engine.rundir import RunDir
run = RunDir(Path(sys.argv[1]))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
before = run.status()
with run.lock():
    run.write_status(dataclasses.replace(before, state="running", pid=os.getpid()))
    print("held", flush=True)
    time.sleep(600)
"""


def steps(run: RunDir) -> list[int]:
    return [event.step for event in EventFollower(run.events_file) if isinstance(event, Step)]


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("finished", "Its files are in"),
        ("stopped", "loratui resume"),
        ("failed", "loratui resume"),
        ("starting", "loratui attach"),
    ],
)
def test_only_a_paused_run_is_continued(tmp_path: Path, state: State, remedy: str) -> None:
    made_run(tmp_path, "her", state)
    done = run_loratui("continue", "her", "--runs-dir", tmp_path)
    assert done.returncode == 2
    assert f"not paused but {state}." in done.stderr and remedy in done.stderr


def test_what_is_not_running_is_neither_stopped_nor_paused(tmp_path: Path) -> None:
    made_run(tmp_path, "her", "paused")
    for command in (["stop"], ["stop", "--now"], ["pause"]):
        done = run_loratui(*command, "her", "--runs-dir", tmp_path)
        assert done.returncode == 2 and "not running but paused." in done.stderr


@pytest.mark.slow
def test_a_worker_that_does_not_react_is_ended_by_force_and_what_that_cost_is_said(tmp_path: Path) -> None:
    run = made_run(tmp_path, "her", "paused", checkpoints=[100])
    worker = subprocess.Popen(
        [sys.executable, "-c", DEAF_WORKER, str(run.path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "held\n"
        done = run_loratui("stop", "her", "--now", "--runs-dir", tmp_path)
        assert worker.wait(60) == -9
        assert done.returncode == 0
        assert "Killed at step 0. It can go on from its checkpoint of step 100." in done.stderr
        assert runs_json(tmp_path)["her"]["state"] == "stopped"
    finally:
        worker.kill()


@pytest.mark.slow
def test_a_run_is_paused_continued_and_stopped_at_once(sample_photos: Path, tmp_path: Path) -> None:
    config = write_tiny_config(tmp_path / "lora.toml", sample_photos, steps=100_000)
    runs = tmp_path / "runs"
    run = RunDir(runs / "her")
    try:
        assert run_loratui("train", config, "--detach", "--name", "her", "--runs-dir", runs).returncode == 0
        wait_until(lambda: len(steps(run)) >= 2, "two steps")
        paused = run_loratui("pause", "her", "--runs-dir", runs)
        assert paused.returncode == 0 and "loratui continue" in paused.stderr
        listed = runs_json(runs)["her"]
        assert (listed["state"], listed["eta_seconds"]) == ("paused", None)
        at = listed["step"]
        assert (run.checkpoints / f"{at:06d}" / "manifest.json").is_file() and not list(run.output.iterdir())

        assert run_loratui("continue", "her", "--detach", "--runs-dir", runs).stdout == "her\n"
        wait_until(lambda: max(steps(run)) > at, "a step after the pause")
        assert [event.step for event in EventFollower(run.events_file) if isinstance(event, Started)] == [0, at]

        stopped = run_loratui("stop", "her", "--now", "--runs-dir", runs)
        assert stopped.returncode == 0, stopped.stderr
        assert "Killed" not in stopped.stderr
        last = list(EventFollower(run.events_file))[-1]
        assert isinstance(last, Stopped) and run.status().state == "stopped"
        assert (run.checkpoints / f"{last.step:06d}" / "manifest.json").is_file()
        assert not list(run.output.iterdir()), "a stop at once does not export"
    finally:
        if run.is_alive():
            os.killpg(run.status().pid or 0, 9)
