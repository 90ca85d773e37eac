"""`compare`: how two runs differ in what they were trained on, and what came of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunsDir

if TYPE_CHECKING:
    from loratui.runs.comparison import Comparison

NO_VALUE = "-"
PIPE_WIDTH = 200


def compare(
    one: Annotated[str, typer.Argument(metavar="RUN", help="Name or path of a run.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Name or path of the run to compare it with.")],
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, runs, differences.")] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Compare two runs: what differs in settings, base model, photos and captions, and their last numbers.

    What changes what is learned comes first. Photos and the model are compared where checkpoints tell them.
    """
    from engine.rundir import find_run
    from loratui.runs.comparison import compare as compare_runs

    comparison = compare_runs(find_run(runs_dir, one), find_run(runs_dir, other))
    if json_output:
        typer.echo(json.dumps(_as_json(comparison), indent=2))
    else:
        _print_table(comparison)


def _print_table(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from curation.text import visible
    from loratui.runs.comparison import number_rows

    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table("", box=None, pad_edge=False)
    for monitor in comparison.monitors:
        table.add_column(Text(monitor.name))
    for name, before, now in number_rows(comparison):
        table.add_row(name.replace("_", " "), Text(visible(before)), Text(visible(now)))
    table.add_section()
    for difference in comparison.differences:
        texts = (NO_VALUE if text is None else visible(text) for text in (difference.before, difference.now))
        table.add_row(Text(visible(difference.name)), *(Text(text, overflow="fold") for text in texts))
    console.print(table)
    if not comparison.differences:
        console.print("They were trained with the same settings.")


def _as_json(comparison: Comparison) -> dict[str, object]:
    import dataclasses

    from loratui.runs.comparison import numbers

    return {
        "version": 1,
        "runs": [
            {"name": monitor.run.name, "path": str(monitor.run.path), **numbers(monitor)}
            for monitor in comparison.monitors
        ],
        "differences": [dataclasses.asdict(difference) for difference in comparison.differences],
    }
