"""A worker that does not end when asked is ended by force, and nothing else is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine import launcher
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.launcher import ask_to_stop_now, kill
from engine.rundir import RunDir, Status, create_run

Start = Callable[..., tuple[subprocess.Popen[str], int]]

WORKER = """
import os, signal, subprocess, sys, time
from pathlib import Path
from engine.rundir import RunDir, Status
run = RunDir(Path(sys.argv[1]))
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with run.lock() as lock:
    run.write_status(Status(state="running", pid=os.getpid(), step=7))
    shares = "shares" in sys.argv  # as torchrun does, in a session of its own
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        stdin=lock if shares else None,
        start_new_session=shares,
    )
    print(child.pid, flush=True)
    while not ("hears" in sys.argv and run.asked_to_end() == "stopped_now"):
        time.sleep(0.05)
    time.sleep(1)
    child.kill()
    run.write_status(Status(state="stopped", step=7))
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path / "runs", "one", TrainConfig())


@pytest.fixture
def worker(run: RunDir) -> Iterator[Start]:
    """Starts a worker that holds the lock in a session of its own; returns it and the process that it started."""
    started = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(run.path), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", ["", "deaf", "shares"])
def test_a_worker_is_ended_with_all_that_it_started(
    run: RunDir, worker: Start, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(launcher, "SIGNAL_SECONDS", 2.0)
    process, child = worker(how)
    assert kill(run)
    process.wait()
    assert is_gone(child)
    assert not kill(run), "it has ended"
    status = run.status()
    assert (status.state, status.step, status.message) == ("stopped", 7, "Ended by force, as it did not react.")


def test_one_that_hears_is_given_the_time_for_its_checkpoint(
    run: RunDir, worker: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker("hears")
    monkeypatch.setattr(launcher, "HEARING_SECONDS", 0.5)
    assert ask_to_stop_now(run)
    assert run.status().state == "stopped"


def test_one_that_does_not_hear_is_told_from_one_that_does(
    run: RunDir, worker: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker()
    monkeypatch.setattr(launcher, "HEARING_SECONDS", 0.5)
    monkeypatch.setattr(launcher, "CHECKPOINT_SECONDS", 600.0)
    assert not ask_to_stop_now(run)


def test_a_process_that_only_has_the_workers_number_is_left_alone(run: RunDir) -> None:
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        run.write_status(Status(state="running", pid=innocent.pid))
        with run.lock(), pytest.raises(EngineError, match="no process here can be told"):
            kill(run)
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()
