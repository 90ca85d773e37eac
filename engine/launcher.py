"""Start a worker in its own session, where no closed terminal reaches it, and wait for a run's end."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from engine.box.limits import limit_problem
from engine.errors import EngineError
from engine.rundir import RunDir, Status

POLL_SECONDS = 0.2
# For `stop_now`: to hear it, which takes a step (on a slow GPU, of many micro-batches), and then to write a checkpoint
# (on a slow network disk).
HEARING_SECONDS = 30.0
CHECKPOINT_SECONDS = 120.0
# Between SIGTERM and SIGKILL, and for the system to let go of what was killed.
SIGNAL_SECONDS = 5.0


def must_be_launchable(run: RunDir) -> Status:
    """What the run's status is. Raises EngineError when a worker is already at it, and when the run is finished."""
    status = run.status()
    if run.is_alive() or status.state == "starting":
        raise EngineError(
            f"The run {run.name} is already being worked on.", f"Watch it with: loratui attach {run.address}"
        )
    if status.state == "finished":
        raise EngineError(f"The run {run.name} is already finished.", f"Its files are in {run.output}.")
    return status


def launch(run: RunDir) -> int:
    """Start the worker of `run` and return its process id.

    The worker leads its own session, reads nothing, and writes its talk to log.txt, so it outlives the terminal.
    Raises EngineError when a worker is already at it, and when the run is finished.
    """
    before = must_be_launchable(run)
    if problem := limit_problem(run):
        raise problem
    run.clear_requests()
    run.write_status(dataclasses.replace(before, state="starting", pid=None, loss=None, message=""))
    descriptor = os.open(run.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        worker = subprocess.Popen(
            # -P: the worker must not import what happens to lie in the user's folder.
            [sys.executable, "-P", "-m", "engine", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    return worker.pid


def is_active(status: Status) -> bool:
    """Whether a worker is at work, or about to be."""
    return status.state in ("queued", "starting", "running")


def is_worked_on(run: RunDir) -> bool:
    """Whether a worker is at `run`, or was launched and is awaited."""
    return run.is_alive() or run.status().state in ("starting", "running")


def exit_code(status: Status) -> int:
    """0 for a run that ended as asked (finished, stopped, paused), 1 for one that failed or died."""
    return 0 if status.state in ("finished", "stopped", "paused") else 1


def wait(run: RunDir) -> Status:
    """Block until no worker is at `run` any more; returns its last state."""
    while not has_ended(run):
        time.sleep(POLL_SECONDS)
    return run.status()


def has_ended(run: RunDir) -> bool:
    """Whether no worker is at `run` any more, nor about to be."""
    return not is_active(run.status()) and not run.is_alive()


def ask_to_stop_now(run: RunDir) -> bool:
    """Ask the worker to end with a checkpoint and no export; returns whether it did, within HEARING_SECONDS.

    One that has heard has CHECKPOINT_SECONDS more.
    """
    run.request("stop_now")
    if _ends_within(run, HEARING_SECONDS):
        return True
    return not run.is_requested("stop_now") and _ends_within(run, CHECKPOINT_SECONDS)


def kill(run: RunDir) -> bool:
    """End the worker's process group, and of all that it shares the run with: SIGTERM, then SIGKILL.

    What they did since the last checkpoint is lost.  The run is then `stopped`, as whoever ended it knows.

    False where it has ended meanwhile by itself.  Raises EngineError where the worker cannot be told from other
    processes, or does not even end then.
    """
    holders = run.lock_holders()
    if has_ended(run):
        return False
    if not holders:
        raise EngineError(
            f"The worker of {run.name} does not react, and no process here can be told to be it.",
            f"Look for it on the machine where it runs: its command line is `python -P -m engine {run.path}`.",
        )
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in run.lock_holders():
            with suppress(ProcessLookupError):
                leads_its_group = os.getpgid(pid) == pid
                (os.killpg if leads_its_group else os.kill)(pid, number)
        if _ends_within(run, SIGNAL_SECONDS):
            _call_stopped(run)
            return True
    raise EngineError(
        f"The worker of {run.name}, process {holders[0]}, does not end although it was killed.",
        "It waits for a disk or a driver: look at `dmesg`; only a restart of the machine may help.",
    )


def _call_stopped(run: RunDir) -> None:
    """Write down that a run without an end of its own was ended by force, unless a new worker is at it already."""
    status = run.status()
    if status.state == "died":
        with suppress(EngineError), run.lock():
            run.write_status(
                dataclasses.replace(status, state="stopped", message="Ended by force, as it did not react.")
            )


def _ends_within(run: RunDir, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (ended := has_ended(run)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return ended
