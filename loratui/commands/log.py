"""`log`: what a run's worker wrote to its stdout and stderr."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from loratui.commands.options import RunName, RunsDir

POLL_SECONDS = 0.5


def log(
    name: RunName,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Print what is appended, until the run ends.")] = False,
    lines: Annotated[int | None, typer.Option(min=0, help="Only the last lines to begin with.")] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Print a run's log, log.txt: empty unless a library had something to say, or something went wrong.

    Control characters in it are shown and not obeyed. What happens in a run is shown by `loratui attach`.
    """
    from engine.launcher import has_ended
    from engine.rundir import find_run
    from loratui.runs.log_follower import LogFollower

    run = find_run(runs_dir, name)
    follower = LogFollower(run.log_file, lines)
    while True:
        is_last = not follow or has_ended(run)  # asked before the log is read, which then has all
        _print(follower.new())
        if is_last:
            break
        time.sleep(POLL_SECONDS)
    _print(follower.rest())


def _print(lines: Iterable[bytes]) -> None:
    from curation.text import visible

    for line in lines:
        typer.echo(visible(line.decode("utf-8", "backslashreplace")))
