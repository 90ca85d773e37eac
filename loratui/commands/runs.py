"""`runs`: all runs in one table, or as JSON, each in its true state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunsDir
from loratui.commands.talk import say

if TYPE_CHECKING:
    from loratui.runs.overview import Overview

# Into a pipe, where there is no width to keep to.
PIPE_WIDTH = 200


def list_all(
    runs_dir: RunsDir = Path("runs"),
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, runs.")] = False,
) -> None:
    """List the runs: state, step, loss, learning rate, time left, age, and bytes on the disk.

    The state is true: it is asked of the run's lock, not of what a worker last wrote. With a price_per_hour the cost of
    the hours of work is told too.
    """
    from engine.rundir import list_runs
    from loratui.runs.overview import overview

    rows = [overview(run) for run in list_runs(runs_dir)]
    if json_output:
        typer.echo(json.dumps({"version": 1, "runs": [_as_json(row) for row in rows]}, indent=2))
    elif rows:
        _print_table(rows)
    else:
        say(f"There are no runs in {runs_dir}. Start one with: loratui train lora.toml")


def _print_table(rows: Sequence[Overview]) -> None:
    """One line for each run, and below them why those ended that did not end well."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from curation.text import visible

    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table("name", "state", "step", "loss", "rate", "ETA", "age", "disk", box=None, pad_edge=False)
    has_costs = any(row.cost is not None for row in rows)
    if has_costs:
        table.add_column("cost")
    for row in rows:
        cost = "" if row.cost is None else f"{row.cost:.2f}"
        table.add_row(Text(visible(row.run.name), overflow="fold"), *_cells(row), *([cost] if has_costs else []))
    console.print(table)
    for row in rows:
        if row.status.state in ("failed", "died") and row.status.message:
            console.print(Text(visible(f"{row.run.name} {row.status.state}: {row.status.message}"), style="dim"))


def _cells(row: Overview) -> tuple[str, ...]:
    from curation.text import duration
    from engine.sizes import gigabytes

    status = row.status
    return (
        status.state,
        f"{status.step}/{status.total_steps}",
        "" if status.loss is None else f"{status.loss:.4f}",
        "" if row.effective_lr is None else f"{row.effective_lr:.3g}",
        "" if row.eta_seconds is None else duration(row.eta_seconds),
        duration(row.age_seconds),
        gigabytes(row.disk),
    )


def _as_json(row: Overview) -> dict[str, object]:
    status = row.status
    return {
        "name": row.run.name,
        "path": str(row.run.path),
        "state": status.state,
        "message": status.message or None,
        "pid": status.pid,
        "step": status.step,
        "total_steps": status.total_steps,
        "loss": status.loss,
        "effective_lr": row.effective_lr,
        "eta_seconds": row.eta_seconds,
        "age_seconds": row.age_seconds,
        "disk": row.disk,
        "worked_seconds": status.worked,
        "cost": row.cost,
        "started": status.started,
        "updated": status.updated,
    }
