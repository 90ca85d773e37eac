"""Commands that watch or own a run, ended by a signal or a closed terminal; and more than one worker at one run."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.events import Step
from engine.rundir import RunDir
from tests.faults.checks import as_listed, check_as_if_nothing_had_been
from tests.faults.conftest import Create, Record
from tests.loratui.program import COMMAND, run_loratui, wait_until, write_tiny_config
from tests.run_events import events_of

pytestmark = pytest.mark.slow
# Far more steps than a test waits for.
LONG = 100_000


def steps(run: RunDir) -> list[int]:
    return [event.step for event in events_of(run) if isinstance(event, Step)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """The run that a command is about to start; no worker of it is left behind, whatever the test found."""
    run = RunDir(tmp_path / "runs" / "dog")
    yield run
    if run.is_alive():
        run.request("stop_now")
        wait_until(lambda: not run.is_alive(), "the worker's end")


def train_command(run: RunDir, photos: Path, run_steps: int) -> list[str]:
    config = write_tiny_config(run.path.parent.parent / "lora.toml", photos, run_steps)
    return [*COMMAND, "train", str(config), "--name", run.name, "--runs-dir", str(run.path.parent)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_owns_its_run_makes_a_signal_a_stop(
    sample_photos: Path, run: RunDir, outcome: Record, number: signal.Signals
) -> None:
    command = train_command(run, sample_photos, LONG)
    owner = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: len(steps(run)) >= 2, "two steps")
    owner.send_signal(number)
    _, talk = owner.communicate()
    told = f"{number.name}: asked dog to stop; waiting for its checkpoint."
    assert owner.returncode == 0 and told in talk.decode(), talk
    assert as_listed(run)["state"] == "stopped" and list(run.checkpoints.iterdir())
    outcome(f"{number.name} to `train` without a terminal", 1, "stopped with a checkpoint and an export", told)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_command_that_owns_its_run_and_is_gone_leaves_it_going(
    sample_photos: Path, run: RunDir, outcome: Record, number: signal.Signals
) -> None:
    command = train_command(run, sample_photos, LONG)
    owner = subprocess.Popen([*command, "--foreground"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(steps(run)) >= 2, "two steps")
    owner.send_signal(number)
    assert owner.wait() == -number
    seen = len(steps(run))
    wait_until(lambda: len(steps(run)) > seen, "a step after the command was gone")
    assert as_listed(run)["state"] == "running"
    outcome(f"{number.name} to `train --foreground`", 1, "the command is gone, the run goes on")


def test_a_closed_terminal_leaves_the_run_going_and_attach_shows_all_of_it(
    sample_photos: Path, run: RunDir, outcome: Record
) -> None:
    command = train_command(run, sample_photos, 30)
    terminal, viewers_end = pty.openpty()
    viewer = subprocess.Popen(
        ["setsid", "--ctty", *command],
        stdin=viewers_end,
        stdout=viewers_end,
        stderr=viewers_end,
        cwd=run.path.parents[1],
    )
    os.close(viewers_end)
    wait_until(run.is_alive, "the worker")
    os.close(terminal)  # the line drops: the viewer's session gets SIGHUP
    viewer.wait()
    assert run.is_alive()
    wait_until(lambda: not run.is_alive(), "the run's end")
    assert as_listed(run)["state"] == "finished"
    assert steps(run) == list(range(1, 31))
    shown = run_loratui("attach", run.name, "--runs-dir", run.path.parent).stderr
    assert "dog starts on" in shown and "step 30/30" in shown
    outcome("The terminal is closed", 1, "the run goes on; attach shows it from its start")


def test_of_many_workers_one_works_and_the_others_are_refused(
    create: Create, reference: RunDir, outcome: Record
) -> None:
    run = create()
    command = [sys.executable, "-P", "-m", "engine", str(run.path)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    talk = {worker.pid: worker.communicate()[1] for worker in workers}
    refused = [worker.pid for worker in workers if worker.returncode == 2]
    assert sorted(worker.returncode for worker in workers) == [0, 2, 2, 2]
    told = "The run dog is already being worked on."
    assert all(talk[pid].startswith(told) for pid in refused)
    check_as_if_nothing_had_been(run, reference)
    assert steps(run) == list(range(1, 9)), "the others wrote nothing"
    outcome(
        "Four workers started at once on one run", 4, "one works to the end, three are refused with exit code 2", told
    )
