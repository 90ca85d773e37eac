"""Start a worker in its own session, where no closed terminal reaches it, and wait for a run's end."""

import os
import subprocess
import sys
import time

from engine.errors import EngineError
from engine.rundir import RunDir, Status

POLL_SECONDS = 0.2


def launch(run: RunDir) -> int:
    """Start the worker of `run` and return its process id.

    The worker leads its own session, reads nothing, and writes its talk to log.txt, so it outlives the terminal.
    Raises EngineError when a worker is already at it, and when the run is finished.
    """
    before = run.status()
    if run.is_alive() or before.state == "starting":
        raise EngineError(
            f"The run {run.name} is already being worked on.", f"Watch it with: loratui attach {run.address}"
        )
    if before.state == "finished":
        raise EngineError(f"The run {run.name} is already finished.", f"Its files are in {run.output}.")
    run.clear_requests()
    run.write_status(Status(state="starting", step=before.step, total_steps=before.total_steps, started=before.started))
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


def exit_code(status: Status) -> int:
    """0 for a run that ended as asked (finished, stopped, paused), 1 for one that failed or died."""
    return 0 if status.state in ("finished", "stopped", "paused") else 1


def wait(run: RunDir) -> Status:
    """Block until no worker is at `run` any more; returns its last state."""
    while is_active(status := run.status()) or run.is_alive():
        time.sleep(POLL_SECONDS)
    return status
