"""`attach`, and how every command looks on at a run.

A run's worker lives in its own session, and a command only looks on. In a terminal, closing it leaves the run going.
With no terminal, or with --foreground, the command that started the run owns it: a signal to end it becomes a stop
request.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from loratui.commands.options import RunName, RunsDir
from loratui.commands.talk import say

if TYPE_CHECKING:
    from engine.rundir import RunDir
    from loratui.runs.monitor import Monitor


def attach(name: RunName, runs_dir: RunsDir = Path("runs")) -> None:
    """Show a run from its first step on, live; Ctrl-C leaves it going. Returns the run's exit code once it ended."""
    from engine.rundir import find_run

    run = find_run(runs_dir, name)
    if show(run) is None:
        say(f"The run {run.name} goes on. Come back with: loratui attach {run.address}")
        return
    end(run)


def watch(run: RunDir, detach: bool, foreground: bool) -> None:
    """Look on at a run that was just launched, in the way that was asked for, and end with its exit code."""
    if detach:
        typer.echo(run.name)
        return
    if foreground or not sys.stdout.isatty():
        _own(run)
    else:
        _accompany(run)


def _own(run: RunDir) -> None:
    """Wait for the run; being told to end means telling the run to stop, and waiting on."""

    def ask_to_stop(number: int, _frame: object) -> None:
        run.request("stop")
        say(f"{signal.Signals(number).name}: asked {run.name} to stop; waiting for its checkpoint.")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    show(run)
    end(run)


def _accompany(run: RunDir) -> None:
    """Show the run until it ends; on Ctrl-C ask whether to leave it, to stop it, or to look on."""
    while show(run) is None:
        answer = _ask(f"{run.name} is running. [d]etach and let it go on, [s]top it, or [w]atch on? [d] ")
        if answer.startswith("s"):
            run.request("stop")
            say("Asked it to stop; it writes a checkpoint and exports first.")
        elif not answer.startswith("w"):
            say(f"The run {run.name} goes on. Come back with: loratui attach {run.address}")
            return
    end(run)


def _ask(question: str) -> str:
    try:
        return input(question).strip().lower()
    except (EOFError, KeyboardInterrupt, RuntimeError):  # RuntimeError: stdin was closed
        return ""


def show(run: RunDir) -> Monitor | None:
    """Show the run to its end; None when Ctrl-C came first."""
    from rich.console import Console

    from loratui.runs.live import show_lines, show_panels

    try:
        return show_panels(run, Console()) if sys.stdout.isatty() else show_lines(run, say)
    except KeyboardInterrupt:
        return None


def end(run: RunDir) -> NoReturn:
    """Say how the run ended, print where its files are, and exit with its code."""
    from engine.launcher import exit_code

    status = run.status()
    if status.state in ("failed", "died"):
        say(f"The run {run.name} {status.state}: {status.message}")
        say(f"Its log is {run.log_file}. Go on from its newest checkpoint with: loratui resume {run.address}")
    else:
        say(f"The run {run.name} is {status.state} at step {status.step} of {status.total_steps}.")
        if status.state == "finished":
            typer.echo(run.output)
        if status.state == "paused":
            say(f"Go on with: loratui continue {run.address}")
    raise typer.Exit(exit_code(status))
