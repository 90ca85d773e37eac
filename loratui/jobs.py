"""Work that takes longer than a keystroke may: in a thread of its own, with progress, an estimate and an end."""

import threading
import time
from collections.abc import Callable
from typing import Any

PACE_SECONDS = 1.0
"""Before this much has passed no estimate is made of what is left."""


class Cancelled(Exception):
    """Raised inside the work of a job that is not wanted any more."""


class Job:
    """One piece of work, as the screen shows it.  label: what it does, such as "Checking the photos"."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.done, self.total = 0, 0
        self.is_cancelled = False
        self._began = time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """Called by the work, from its thread. Raises Cancelled when it is not wanted any more."""
        self.done, self.total = done, total
        self.check()

    def check(self) -> None:
        """Called by work that has nothing to count. Raises Cancelled when it is not wanted any more."""
        if self.is_cancelled:
            raise Cancelled

    def turn_to(self, label: str) -> None:
        """Called by work that goes on with something else: that is counted and timed anew."""
        self.label, self.done, self.total, self._began = label, 0, 0, time.monotonic()

    def cancel(self) -> None:
        """Ask the work to end."""
        self.is_cancelled = True

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until all is done, at the pace so far; None where nobody can know."""
        passed = time.monotonic() - self._began
        if not self.done or not self.total or passed < PACE_SECONDS:
            return None
        return passed / self.done * max(self.total - self.done, 0)


def run_in_background(
    work: Callable[[Job], Any], job: Job, tell: Callable[[Any, BaseException | None], object]
) -> None:
    """Start the work; `tell` gets its result or what it raised, in the work's thread.

    A daemon thread, not one of asyncio's pool: leaving the program does not wait for it.
    """

    def run() -> None:
        try:
            result = work(job)
        except BaseException as error:  # noqa: BLE001 - told to the screen, which knows what to do
            tell(None, error)
        else:
            tell(result, None)

    threading.Thread(target=run, name=job.label, daemon=True).start()
