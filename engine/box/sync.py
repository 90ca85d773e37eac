"""Copies of a run off its box, made by one thread in the background, which asks again until they are there."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from threading import Condition, Thread

from engine.box.destinations import Destination
from engine.box.programs import Outcome, run_program
from engine.events import Checkpoint, Event, Pivot, Sample, Started, Verified
from engine.rundir import ENDING_STATES, RunDir

TRY_SECONDS = 1800.0  # for one copy: rsync and rclone themselves give up much earlier where nothing moves
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 10.0, 600.0
# Once the run is over somebody pays for waiting: one last copy, tried so often and so long.
LAST_TRIES = 3
DRAIN_SECONDS = 1800.0

WORTH_A_COPY = (Started, Checkpoint, Sample, Pivot, Verified)


class Sync:
    """A listener that has `run` copied to `destination` whenever there is something new.

    However much happens while a copy is made, one more is made after it.  warn: takes the sentence that an outage
    began, and the one that it is over.
    """

    def __init__(self, run: RunDir, destination: Destination, warn: Callable[[str], None]) -> None:
        self._run, self._destination, self._warn = run, destination, warn
        self._changed = Condition()
        self._is_wanted = self._is_ending = self._is_given_up = False
        self._is_down = False
        self._thread = Thread(target=self._copy_until_the_end, name="sync", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Want a copy when `event` says that a file is complete, or the first word of a run."""
        if isinstance(event, WORTH_A_COPY) or type(event) in ENDING_STATES:
            with self._changed:
                self._is_wanted = True
                self._changed.notify()

    def drain(self) -> None:
        """Wait for the last copy, within limits: LAST_TRIES, DRAIN_SECONDS, and a request to stop.

        The run is over: what was asked of it before is moot, and what is asked from now on ends the waiting.
        """
        self._run.clear_requests()
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._thread.is_alive():
            self._thread.join(0.1)
            is_asked = self._run.is_requested("stop") or self._run.is_requested("stop_now")
            if is_asked or time.monotonic() > deadline:
                with self._changed:
                    self._is_given_up = True
                    self._changed.notify()
        if self._is_wanted:
            self._warn(f"The last copy to {self._destination} was not made: what it lacks is on this machine only.")

    def _copy_until_the_end(self) -> None:
        waits = _waits()
        last_tries = LAST_TRIES
        while self._next_copy():
            with self._changed:
                self._is_wanted, is_last = False, self._is_ending
            outcome = self._copy()
            if self._destination.has_copied(outcome.code):
                self._tell_that_it_works()
                waits = _waits()
                continue
            self._tell_that_it_fails(outcome)
            last_tries -= is_last
            with self._changed:
                self._is_wanted = True
                if not last_tries:
                    return
                wait = FIRST_WAIT_SECONDS if is_last else next(waits)
                self._changed.wait_for(lambda was_last=is_last: self._is_given_up or self._is_ending != was_last, wait)

    def _next_copy(self) -> bool:
        """Whether there is one to make, once that is known."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_wanted or self._is_ending)
            return self._is_wanted and not self._is_given_up

    def _copy(self) -> Outcome:
        destination = self._destination
        return run_program(
            destination.command(self._run),
            TRY_SECONDS,
            destination.environment(os.environ),
            is_given_up=lambda: self._is_given_up,
        )

    def _tell_that_it_fails(self, outcome: Outcome) -> None:
        if self._is_down:
            sys.stderr.write(f"Copying to {self._destination} failed again: {outcome.said}.\n")
            return
        self._is_down = True
        self._warn(f"Copying to {self._destination} failed: {outcome.said}. It is tried again; the run goes on.")

    def _tell_that_it_works(self) -> None:
        if self._is_down:
            self._warn(f"Copying to {self._destination} works again.")
        self._is_down = False


def _waits() -> Iterator[float]:
    """Seconds between tries, each twice the one before, to a longest one."""
    wait = FIRST_WAIT_SECONDS
    while True:
        yield wait
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
