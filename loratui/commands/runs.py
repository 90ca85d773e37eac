"""Runs from the command line: `train`, `runs`, `attach`, `stop`, `resume`.

A run's worker lives in its own session, and these commands only look on. In a terminal, closing one leaves the run
going. With no terminal, or with --foreground, the command owns the run: a signal to end it becomes a stop request.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunName, RunsDir, Settings

if TYPE_CHECKING:
    from engine.config import TrainConfig
    from engine.rundir import RunDir, Status
    from loratui.monitor import Monitor

Detach = Annotated[bool, typer.Option("--detach", help="Return at once; the run goes on. Prints the run's name.")]
Foreground = Annotated[
    bool, typer.Option("--foreground", help="Own the run: SIGTERM and SIGINT stop it, with a checkpoint.")
]


def train(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="The run's name; made from the photos' folder without it.")] = None,
    detach: Detach = False,
    foreground: Foreground = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan; start nothing. 2: it would not run.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="With --dry-run: one JSON object, with all problems and the plan.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    settings: Settings = None,
) -> None:
    """Train a LoRA from a lora.toml, from flags, or from both.

    Every key of lora.toml is also a flag, with '_' or '-': --rank 16, --max_train_steps=1000, --train_text_encoder_ti.
    So the guide's own command lines can be pasted. `loratui config show` lists the keys.

    In a terminal the run is shown live; Ctrl-C asks whether to detach or to stop it, and a dropped line leaves it
    going: come back with `loratui attach`. With no terminal, the command owns the run and returns its exit code.

    --dry-run tells in seconds what would make the run fail, and what it would take; no model is loaded.
    """
    from engine.extras import require
    from engine.start import start_run

    if json_output and not dry_run:
        raise typer.BadParameter("--json goes with --dry-run.")
    if not dry_run:  # which needs no training stack
        require("train", "loratui train")
    config = _asked_for(list(context.args), settings or [])
    if dry_run:
        _dry_run(config, runs_dir, json_output)
        return
    run, warnings = start_run(config, runs_dir, name)
    for warning in warnings:
        _say(f"Warning: {warning}")
    _watch(run, detach, foreground)


def _asked_for(words: list[str], settings: list[str]) -> TrainConfig:
    """The config of a command line: a lora.toml, if its first word is one, and flags."""
    from engine.config import compose
    from loratui.flags import parse_flags, parse_settings

    file = Path(words.pop(0)) if words and not words[0].startswith("-") else None
    flags = parse_flags(words)
    for section, values in parse_settings(settings).tables.items():
        flags.tables.setdefault(section, {}).update(values)
    for note in flags.notes:
        _say(f"Note: {note}")
    return compose(file, flags.tables).config


def _dry_run(config: TrainConfig, runs_dir: Path, json_output: bool) -> None:
    """Print what a run would be. Raises all that keeps it from starting; as JSON they are part of the object."""
    import json

    from curation.text import visible
    from engine.errors import refuse
    from engine.preflight import examine
    from loratui.examined import as_json, rows

    found = examine(config, runs_dir)
    if json_output:
        typer.echo(json.dumps(as_json(found), indent=2))
        raise typer.Exit(0 if found.is_ready else 2)
    for label, text in rows(found):
        typer.echo(f"{label:<15}{visible(text)}")
    for warning in found.warnings:
        _say(f"Warning: {warning}")
    refuse(found.problems)
    _say("Nothing keeps this run from starting.")


def resume(
    name: RunName, detach: Detach = False, foreground: Foreground = False, runs_dir: RunsDir = Path("runs")
) -> None:
    """Go on with a run that was stopped or paused, failed or died, from its newest good checkpoint."""
    from engine.extras import require
    from engine.launcher import launch
    from engine.rundir import find_run

    require("train", "loratui resume")
    run = find_run(runs_dir, name)
    launch(run)
    _watch(run, detach, foreground)


def attach(name: RunName, runs_dir: RunsDir = Path("runs")) -> None:
    """Show a run from its first step on, live; Ctrl-C leaves it going. Returns the run's exit code once it ended."""
    from engine.rundir import find_run

    run = find_run(runs_dir, name)
    monitor = _show(run)
    if monitor is None:
        _say(f"The run {run.name} goes on. Come back with: loratui attach {run.address}")
        return
    _end(run)


def stop(name: RunName, runs_dir: RunsDir = Path("runs")) -> None:
    """Ask a run to finish its step, write a checkpoint, export what there is, and end; waits for it."""
    from engine.errors import EngineError
    from engine.launcher import is_active, wait
    from engine.rundir import Status, find_run

    run = find_run(runs_dir, name)
    state = run.status().state
    if state == "queued":  # there is no worker to ask
        run.write_status(Status(state="stopped"))
        _end(run)
    if not is_active(run.status()):
        raise EngineError(f"The run {run.name} is not running: it is {state}.", "See all runs with: loratui runs")
    run.request("stop")
    _say(f"Asked {run.name} to stop; waiting for its checkpoint and export.")
    try:
        wait(run)
    except KeyboardInterrupt:
        _say(f"{run.name} stops all the same; only the waiting ends here.")
        raise
    _end(run)


def list_all(
    runs_dir: RunsDir = Path("runs"),
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, runs.")] = False,
) -> None:
    """List the runs and their true state."""
    import json
    import time

    from engine.rundir import list_runs

    rows = [(run, run.status()) for run in list_runs(runs_dir)]
    if json_output:
        typer.echo(json.dumps({"version": 1, "runs": [_as_json(run, status) for run, status in rows]}, indent=2))
        return
    if not rows:
        _say(f"There are no runs in {runs_dir}. Start one with: loratui train lora.toml")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from curation.text import visible
    from loratui.live import duration

    table = Table("name", "state", "step", "loss", "updated", box=None, pad_edge=False)
    for run, status in rows:
        loss = "" if status.loss is None else f"{status.loss:.4f}"
        age = f"{duration(max(time.time() - status.updated, 0))} ago" if status.updated else ""
        table.add_row(Text(visible(run.name)), status.state, f"{status.step}/{status.total_steps}", loss, age)
    Console().print(table)


def _as_json(run: RunDir, status: Status) -> dict[str, object]:
    return {
        "name": run.name,
        "path": str(run.path),
        "state": status.state,
        "pid": status.pid,
        "step": status.step,
        "total_steps": status.total_steps,
        "loss": status.loss,
        "started": status.started,
        "updated": status.updated,
    }


def _watch(run: RunDir, detach: bool, foreground: bool) -> None:
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
        _say(f"{signal.Signals(number).name}: asked {run.name} to stop; waiting for its checkpoint.")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    _show(run)
    _end(run)


def _accompany(run: RunDir) -> None:
    """Show the run until it ends; on Ctrl-C ask whether to leave it, to stop it, or to look on."""
    while _show(run) is None:
        answer = _ask(f"{run.name} is running. [d]etach and let it go on, [s]top it, or [w]atch on? [d] ")
        if answer.startswith("s"):
            run.request("stop")
            _say("Asked it to stop; it writes a checkpoint and exports first.")
        elif not answer.startswith("w"):
            _say(f"The run {run.name} goes on. Come back with: loratui attach {run.address}")
            return
    _end(run)


def _ask(question: str) -> str:
    try:
        return input(question).strip().lower()
    except (EOFError, KeyboardInterrupt, RuntimeError):  # RuntimeError: stdin was closed
        return ""


def _show(run: RunDir) -> Monitor | None:
    """Show the run to its end; None when Ctrl-C came first."""
    from rich.console import Console

    from loratui.live import show_lines, show_panels

    try:
        return show_panels(run, Console()) if sys.stdout.isatty() else show_lines(run, _say)
    except KeyboardInterrupt:
        return None


def _end(run: RunDir) -> None:
    """Say how the run ended, print where its files are, and exit with its code."""
    from engine.launcher import exit_code

    status = run.status()
    if status.state in ("failed", "died"):
        _say(f"The run {run.name} {status.state}: {status.message}")
        _say(f"Its log is {run.log_file}. Go on from its newest checkpoint with: loratui resume {run.address}")
    else:
        _say(f"The run {run.name} is {status.state} at step {status.step} of {status.total_steps}.")
        if status.state == "finished":
            typer.echo(run.output)
    raise typer.Exit(exit_code(status))


def _say(text: str) -> None:
    from curation.text import visible

    typer.echo(visible(text), err=True)
