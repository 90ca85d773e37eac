"""The program's own commands, run in a process of their own for a screen: what needs torch stays out of the TUI's."""

import os
import signal
import subprocess
import sys
import tempfile

from curation.errors import StatedError
from loratui.jobs import Cancelled, Job

LOOK_SECONDS = 0.1


def run_own_command(job: Job, *arguments: str) -> tuple[int, str]:
    """Run `loratui ARGUMENTS` to its end; returns its exit code, 0 or 1, and its stdout.

    Raises StatedError with the two sentences of a command that refuses, Cancelled when the job is cancelled: the
    command is ended then.
    """
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "loratui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        while process.poll() is None:
            try:
                job.check()
            except Cancelled:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
            try:
                process.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode not in (0, 1):
            raise _refusal(arguments[0], stderr.read())
        return process.returncode, stdout.read()


def _refusal(command: str, said: str) -> StatedError:
    """The two sentences that a command ended with."""
    problem, _, remedy = said.rpartition("Error: ")[2].strip().partition("\n")
    return StatedError(problem or f"`loratui {command}` was ended.", remedy or "Run it in a terminal to see why.")
