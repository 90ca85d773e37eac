"""`python -m engine.rank RUN_DIR`: one of several processes that work at a run, as torchrun starts them.

The first one writes; the others follow it, and leave it word when they fail.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from threading import Thread

from curation import telemetry
from curation.redaction import redacted
from engine.events import Event, Failed, Stopped
from engine.journal import Journal
from engine.rundir import RunDir
from engine.worker import failed, heeding_signals, make_cache_folder

LOOK_SECONDS = 1.0


def main(run: RunDir) -> int:
    """Work at `run` beside the others; returns the exit code: 1 for a failure, also another's."""
    telemetry.switch_off()
    _keep_the_lock()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    with heeding_signals(run):
        code = _lead(run) if os.environ["RANK"] == "0" else _follow(run)
    if code == 0:
        from engine.training.processes import leave

        leave()
    return code


def _lead(run: RunDir) -> int:
    """The first process: it tells the end, unless somebody else's is for the supervisor to find out."""
    abandoned = Flag()
    Thread(target=_look_out, args=(run, abandoned), daemon=True).start()
    make_cache_folder(run)
    journal = Journal(run, run.status().pid)
    end = _end(run, journal)
    if isinstance(end, Stopped) and abandoned.is_set():
        end = Failed(
            problem="What held the run's processes together, its worker or torchrun, was killed.",
            remedy=f"Go on from step {end.step} with: loratui resume {run.address}",
        )
    if end is not None:
        journal(end)
    run.clear_requests()  # the supervisor does so too, unless it was killed
    return 1 if end is None or isinstance(end, Failed) else 0


def _follow(run: RunDir) -> int:
    """Another process: what it fails of, the first one tells."""
    from engine.training.processes import leave_word

    end = _end(run, lambda event: None)
    if isinstance(end, Failed):
        leave_word(json.dumps([end.problem, end.remedy]))
    return 1 if end is None or isinstance(end, Failed) else 0


def _end(run: RunDir, emit: Callable[[Event], None]) -> Event | None:
    """How the recipe ended; None where another process is gone without a word."""
    from engine.recipe import follow  # 6 s: torch, diffusers, transformers
    from engine.training.processes import PeerLost, join, last_words

    try:
        return follow(run, emit, join())
    except PeerLost:
        sys.stderr.write(redacted(traceback.format_exc()))
        words = last_words()
        return Failed(**dict(zip(("problem", "remedy"), json.loads(words), strict=True))) if words else None
    except Exception as error:  # noqa: BLE001 - whatever it was, the run's folder says so
        sys.stderr.write(redacted(traceback.format_exc()))
        return failed(error, run)


def _keep_the_lock() -> None:
    """The lock comes as stdin. It is put where this process alone has it: whatever it starts would hold it too."""
    os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _look_out(run: RunDir, abandoned: Flag) -> None:
    """Leave, with a checkpoint, once torchrun or the supervisor above it is gone: nobody would end a hanging run."""
    above = _above()
    while _above() == above:
        time.sleep(LOOK_SECONDS)
    abandoned.set()
    run.request("stop_now")


def _above() -> tuple[int, str | None]:
    """Process ids of torchrun and of the supervisor, whose orphans get another parent; None without /proc."""
    torchrun = os.getppid()
    try:
        return torchrun, Path(f"/proc/{torchrun}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return torchrun, None


if __name__ == "__main__":
    sys.exit(main(RunDir(Path(sys.argv[1]))))
