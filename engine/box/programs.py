"""Programs that the config names: without a shell, without a terminal, and each ended with all that it started."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from curation.redaction import redacted
from curation.text import visible
from engine.errors import ConfigError
from engine.rundir import RunDir, State

POLL_SECONDS = 0.1
LONGEST_SAID = 300  # characters of a program's last words


@dataclass(frozen=True)
class Outcome:
    """How a program ended. code: None where it did not start or was ended.  said: why, or its last line of output."""

    code: int | None
    said: str


def command_problem(setting: str, command: str) -> ConfigError | None:
    """Why `command` cannot be run as it is: it is no list of words, or there is no such program."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return ConfigError(f"{setting} cannot be taken apart into words: {error}.", "Close its quotes.")
    if not words:
        return ConfigError(f"{setting} is an empty command.", "Name a program, or leave it out.")
    program = visible(words[0])
    if "/" in program and not program.startswith("/"):  # the worker may be started from another folder later
        return ConfigError(f"{setting} names the program {program} by a part of its path.", "Write its whole path.")
    if shutil.which(words[0]) is None:
        return ConfigError(
            f"{setting} names the program {program}, which is not on this machine.",
            "Write the whole path of a program, or install it; it is run without a shell, so ~ and $ mean nothing.",
        )
    return None


def told_to_programs(run: RunDir, event: str, state: State, step: int, message: str) -> dict[str, str]:
    """This process's environment, and beside it the LORATUI_ variables that say what happened."""
    return {
        **os.environ,
        "LORATUI_EVENT": event,
        "LORATUI_RUN": run.name,
        "LORATUI_STATE": state,
        "LORATUI_STEP": str(step),
        "LORATUI_MESSAGE": visible(redacted(message)),
        "LORATUI_FOLDER": str(run.path),
    }


def run_program(
    words: Sequence[str], seconds: float, env: Mapping[str, str], is_given_up: Callable[[], bool] = lambda: False
) -> Outcome:
    """Run a program to its end, or end it and its children after `seconds`, or once `is_given_up`."""
    try:
        with tempfile.TemporaryFile() as output:  # not a pipe, which a child that stays behind would hold open
            program = subprocess.Popen(
                words,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            deadline = time.monotonic() + seconds
            while (code := _code_within(program, POLL_SECONDS)) is None:
                if time.monotonic() > deadline:
                    _end(program)
                    return Outcome(None, f"it took longer than {seconds:g} s and was ended")
                if is_given_up():
                    _end(program)
                    return Outcome(None, "it was given up")
            return Outcome(code, _last_line(output) or f"exit code {code}")
    except OSError as error:
        return Outcome(None, f"it does not start ({error.strerror})")


def _code_within(program: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return program.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _end(program: subprocess.Popen[bytes]) -> None:
    """It leads a session of its own, so its group is it and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def _last_line(output: IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(end - 4096, 0))
    lines = output.read().decode("utf-8", "replace").splitlines()
    words = [line.strip() for line in lines if line.strip()]
    return visible(redacted(words[-1]))[:LONGEST_SAID] if words else ""
