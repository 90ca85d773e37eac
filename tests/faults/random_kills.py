"""Runs that are killed at random points until they finish all the same."""

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.rundir import RunDir
from tests.faults.checks import check_as_if_nothing_had_been, check_killed
from tests.faults.runs import age_status
from tests.faults.workers import Workers


def kill_at_random(
    forking: Workers, create: Callable[[int], RunDir], reference: RunDir, points: int, tries: int, record: Path
) -> Iterator[str]:
    """Kill workers `tries` times, each at a random one of `points` points; yields where. All runs then finish.

    create: a new run, given its number.  A run is resumed, and killed again, until a worker ends before its point.
    record: a file to write the points to that a worker comes to.
    """
    draws = random.Random(0)
    number, run = 0, create(0)
    while tries:
        record.unlink(missing_ok=True)
        was_killed = forking.work(run, "*", occurrence=draws.randint(1, points), record=str(record)) == -signal.SIGKILL
        if was_killed:
            tries -= 1
            check_killed(run, reference)
            yield record.read_text("utf-8").splitlines()[-1]
        if run.status().state == "starting":  # killed before its first word: it is waited for, and then has died
            age_status(run, seconds=200)
        if not was_killed or run.status().state == "finished":  # or killed after its last word
            check_as_if_nothing_had_been(run, reference)
            number, run = number + 1, create(number + 1)
    if run.status().state not in ("finished", "queued"):
        assert forking.work(run) == 0
        check_as_if_nothing_had_been(run, reference)
