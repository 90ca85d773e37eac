"""The worker process of one run: its lock, its signals, its status, and every kind of end told apart.

Nothing heavy is imported before the lock is held, so a viewer sees within milliseconds that the run is being worked on.
"""

import dataclasses
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from curation import telemetry
from curation.errors import StatedError
from curation.redaction import redacted
from engine.box import attended, start_on_finish
from engine.errors import EngineError
from engine.events import Event, EventWriter, Failed, Skipped, Started, Step
from engine.extras import require
from engine.rundir import ENDING_STATES, RunDir
from engine.summary import Summary

STATUS_SECONDS = 0.5
SUMMARY_SECONDS = 60.0


class Journal:
    """Takes a run's events: appends each to events.jsonl and keeps status.json at most half a second behind.

    summary.json, for viewers of a long run, is a minute behind.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._writer = EventWriter(run.events_file)
        before = run.status()
        started = before.started or time.time()
        self._status = dataclasses.replace(before, state="running", pid=os.getpid(), started=started, message="")
        self._written, self._began = 0.0, time.monotonic() - before.worked
        self._summary, self._summarized = Summary(run), time.monotonic()
        self._said_full = False
        self._write_status()

    def __call__(self, event: Event) -> None:
        with self._surviving_a_full_disk():
            self._writer.write(event)
        match event:
            case Started():
                self._status = dataclasses.replace(self._status, step=event.step, total_steps=event.total_steps)
            case Step():
                self._status = dataclasses.replace(self._status, step=event.step, loss=event.loss)
            case Skipped():
                self._status = dataclasses.replace(self._status, step=event.step)
            case Failed():
                self._status = dataclasses.replace(self._status, message=f"{event.problem} {event.remedy}")
        if state := ENDING_STATES.get(type(event)):
            self._status = dataclasses.replace(self._status, state=state)
        if state or isinstance(event, Started) or time.monotonic() - self._written >= STATUS_SECONDS:
            self._write_status()
        if state or time.monotonic() - self._summarized >= SUMMARY_SECONDS:
            with self._surviving_a_full_disk():
                self._summary.update()
            self._summarized = time.monotonic()

    def _write_status(self) -> None:
        self._status = dataclasses.replace(self._status, worked=time.monotonic() - self._began)
        with self._surviving_a_full_disk():
            self._run.write_status(self._status)
        self._written = time.monotonic()

    @contextmanager
    def _surviving_a_full_disk(self) -> Iterator[None]:
        """What viewers are told is not worth a run; a checkpoint that cannot be written says so itself."""
        try:
            yield
        except OSError as error:
            if not self._said_full:
                _say(f"Events or status cannot be written: {error.strerror}. Make room on the disk.")
            self._said_full = True


def main(arguments: list[str]) -> int:
    """Work at the run whose folder is the only argument; returns the exit code.

    0: finished, stopped or paused.  1: failed.  2: there is nothing to work at.
    """
    telemetry.switch_off()
    if len(arguments) != 1 or not (Path(arguments[0]) / "config.toml").is_file():
        _say("There is no run to work at. Give the folder of one: python -m engine RUN_DIR")
        return 2
    run = RunDir(Path(arguments[0]))
    try:
        with run.lock():
            if run.status().state == "finished":
                raise EngineError(f"The run {run.name} is already finished.", f"Its files are in {run.output}.")
            _heed_signals(run)
            end = _work(run)
    except EngineError as error:
        _say(str(error))
        return 2
    start_on_finish(run, end)  # the lock is free, and what is on disk is final
    return 1 if isinstance(end, Failed) else 0


def _work(run: RunDir) -> Event:
    """Follow the recipe to an end and tell it; returns its event."""
    with suppress(OSError):  # the caches, of faces too, work without; whoever writes there says so
        (run.path.parent / ".cache").mkdir(mode=0o700, exist_ok=True)
    with attended(run, Journal(run)) as emit:
        end = _followed(run, emit)
        emit(end)
    return end


def _followed(run: RunDir, emit: Callable[[Event], None]) -> Event:
    """The recipe's end: an expected failure in its two sentences, others with their story in the log."""
    try:
        require("train", "loratui train")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it has something to say while it is imported
        from engine.recipe import follow  # 6 s: torch, diffusers, transformers

        return follow(run, emit)
    except Exception as error:  # noqa: BLE001 - whatever it was, the run's folder says so
        _say(redacted(traceback.format_exc()))
        return failed(error, run)


def failed(error: Exception, run: RunDir) -> Failed:
    """The two sentences of a failure."""
    if isinstance(error, StatedError):
        return Failed(problem=error.problem, remedy=error.remedy)
    message = redacted(str(error)).strip().split("\n")[0].rstrip(".") or "no message"
    return Failed(problem=f"{type(error).__name__}: {message}.", remedy=f"The whole story is in {run.log_file}.")


def _heed_signals(run: RunDir) -> None:
    """A closed terminal is nothing; being told to end is `control/stop`."""

    def stop(_number: int, _frame: object) -> None:
        try:
            run.request("stop")
        except OSError as error:
            _say(f"The run cannot be told to stop: {error.strerror}. Make room on the disk, and ask again.")

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
