"""What a run tells the world, as it happens: its events, its status, and a summary for viewers of a long run."""

import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.events import Event, EventWriter, Failed, Skipped, Started, Step
from engine.rundir import ENDING_STATES, RunDir
from engine.summary import Summary

STATUS_SECONDS = 0.5
SUMMARY_SECONDS = 60.0


class Journal:
    """Takes a run's events: appends each to events.jsonl and keeps status.json at most half a second behind.

    summary.json, for viewers of a long run, is a minute behind.  pid: the worker's, where it is not this process.
    """

    def __init__(self, run: RunDir, pid: int | None = None) -> None:
        self._run = run
        self._writer = EventWriter(run.events_file)
        before = run.status()
        started = before.started or time.time()
        worker = pid or os.getpid()
        self._status = dataclasses.replace(before, state="running", pid=worker, started=started, message="")
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
                sys.stderr.write(f"Events or status cannot be written: {error.strerror}. Make room on the disk.\n")
            self._said_full = True
