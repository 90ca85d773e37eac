"""Workers that get a signal at a chosen point of their life; forked from a process that has imported torch once.

Reads one request a line, JSON as `Fire` has it, forks a worker, and answers with its process id, and at its end with
its exit code, negative for a signal's number.  `python -m tests.faults.worker_under_fire`
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from curation import telemetry
from engine.rundir import RunDir
from tests.faults import troubles
from tests.faults.points import Points


@dataclass(frozen=True)
class Fire:
    """A worker and what happens to it.

    run: its folder.  point: where it happens, a name or a pattern of names as a shell has them, or several, with a |
    between them; empty is nowhere.  occurrence: the how manieth time that the worker comes to such a point; 0 is each
    time.  later: how many points after that.  signal: what the worker is sent.  record: a file to which the points are
    written that the worker comes to; empty is none.  In the signal's place: clock: seconds that the wall clock jumps at
    the point.  error: what the operation at the point fails with, an errno.  trouble: a function of
    tests/faults/troubles.py that is called there.
    """

    run: str
    point: str = ""
    occurrence: int = 1
    later: int = 0
    signal: int = signal.SIGKILL
    record: str = ""
    clock: float = 0.0
    error: int = 0
    trouble: str = ""


def main() -> None:
    """Serve requests until the input ends."""
    telemetry.switch_off()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import engine.recipe  # noqa: F401 - 6 s: torch, diffusers, transformers

    for line in sys.stdin:
        fire = Fire(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            sys.exit(_work(fire))
        _answer(pid)
        _answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _work(fire: Fire) -> int:
    """What a worker's own process does, as `launch` starts it."""
    from engine.worker import main as work

    os.setsid()
    log = os.open(Path(fire.run) / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, standard)
    Points(Path(fire.run).parent, _shooter(fire)).watch()
    return work([fire.run])


def _shooter(fire: Fire) -> Callable[[str], None]:
    """Called with each point; where `fire` says so, it strikes."""
    record = os.open(fire.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if fire.record else None
    write, now = os.write, time.time
    occurrences, countdown = 0, -1

    def strike() -> None:
        if fire.clock:
            time.time = lambda: now() + fire.clock
        elif fire.error:
            raise OSError(fire.error, os.strerror(fire.error))
        elif fire.trouble:
            getattr(troubles, fire.trouble)(RunDir(Path(fire.run)))
        else:
            os.kill(os.getpid(), fire.signal)

    def at(point: str) -> None:
        nonlocal occurrences, countdown
        if record is not None:
            write(record, f"{point}\n".encode())
        if any(fnmatchcase(point, pattern) for pattern in fire.point.split("|")):
            occurrences += 1
            if fire.occurrence in (0, occurrences):
                countdown = fire.later
        is_due, countdown = countdown == 0, countdown - 1
        if is_due:  # a signal's handler may come to points of its own before this returns
            strike()

    return at


if __name__ == "__main__":
    main()
