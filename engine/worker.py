"""The worker process of one run: its lock, its signals, its status, and every kind of end told apart.

Nothing heavy is imported before the lock is held, so a viewer sees within milliseconds that the run is being worked on.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from curation import telemetry
from curation.errors import StatedError
from curation.redaction import redacted
from curation.text import visible
from engine.box import attended, start_on_finish
from engine.errors import EngineError
from engine.events import Event, Failed
from engine.extras import require
from engine.journal import Journal
from engine.rundir import RunDir
from engine.supervisor import is_shared, supervise

ROOM = "Make room on the disk, then resume the run."
RIGHTS = "Make it writable for you, then resume the run."
DISK_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), RIGHTS),
}


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
        with run.lock() as lock:
            if run.status().state == "finished":
                raise EngineError(f"The run {run.name} is already finished.", f"Its files are in {run.output}.")
            with heeding_signals(run):
                end = supervise(run, lock) if is_shared(run) else _work(run)
            run.clear_requests()  # came too late, or were torchrun's signals, with which it ends its processes
    except EngineError as error:
        _say(str(error))
        return 2
    start_on_finish(run, end)  # the lock is free, and what is on disk is final
    return 1 if isinstance(end, Failed) else 0


def _work(run: RunDir) -> Event:
    """Follow the recipe to an end and tell it; returns its event."""
    with attended(run, Journal(run)) as emit:
        end = _followed(run, emit)
        emit(end)
    return end


def _followed(run: RunDir, emit: Callable[[Event], None]) -> Event:
    """The recipe's end: an expected failure in its two sentences, others with their story in the log."""
    make_cache_folder(run)
    try:
        require("train", "loratui train")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it has something to say while it is imported
        from engine.recipe import follow  # 6 s: torch, diffusers, transformers

        return follow(run, emit)
    except Exception as error:  # noqa: BLE001 - whatever it was, the run's folder says so
        _say(redacted(traceback.format_exc()))
        return failed(error, run)


def make_cache_folder(run: RunDir) -> None:
    """For its owner only, beside the run."""
    with suppress(OSError):  # the caches, of faces too, work without; whoever writes there says so
        (run.path.parent / ".cache").mkdir(mode=0o700, exist_ok=True)


def failed(error: Exception, run: RunDir) -> Failed:
    """The two sentences of a failure."""
    if isinstance(error, StatedError):
        return Failed(problem=error.problem, remedy=error.remedy)
    if isinstance(error, OSError) and error.errno in DISK_REMEDIES:
        where = f"{visible(str(error.filename))} cannot be used" if error.filename else "A file cannot be written"
        return Failed(problem=f"{where}: {error.strerror}.", remedy=DISK_REMEDIES[error.errno])
    message = redacted(str(error)).strip().split("\n")[0].rstrip(".") or "no message"
    return Failed(problem=f"{type(error).__name__}: {message}.", remedy=f"The whole story is in {run.log_file}.")


@contextmanager
def heeding_signals(run: RunDir) -> Iterator[None]:
    """Meanwhile being told to end is `control/stop`; afterwards, as the process leaves anyway, it is nothing.

    A closed terminal always is nothing.
    """

    def stop(_number: int, _frame: object) -> None:
        try:
            run.request("stop")
        except OSError as error:
            _say(f"The run cannot be told to stop: {error.strerror}. Make room on the disk, and ask again.")

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # SIG_IGN would be on_finish's too


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
