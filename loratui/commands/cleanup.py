"""`rm` and `gc`: runs that go, and what of the others nobody needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunNames, RunsDir, Yes
from loratui.commands.talk import confirm, say

if TYPE_CHECKING:
    from engine.cleanup import Waste


def remove(names: RunNames, yes: Yes = False, runs_dir: RunsDir = Path("runs")) -> None:
    """Delete runs, with their checkpoints, pictures and exported files. Asks first; one that is going on is refused."""
    from engine.cleanup import removable, remove_run
    from engine.rundir import find_run
    from engine.sizes import bytes_in, gigabytes

    runs = {run.path: run for run in (removable(find_run(runs_dir, name)) for name in names)}.values()
    for run in runs:
        status = run.status()
        say(f"{run.name}: {status.state} at step {status.step}, {gigabytes(bytes_in(run.path))}, {run.path}")
    confirm(f"Delete {'this run' if len(runs) == 1 else f'these {len(runs)} runs'} and all that it holds?", yes)
    for run in runs:
        remove_run(run)
        say(f"Removed {run.path}")


def collect_garbage(
    keep: Annotated[
        int, typer.Option(min=0, help="Newest whole checkpoints to keep of each run; an unfinished one keeps one.")
    ] = 1,
    days: Annotated[
        float, typer.Option(min=0, help="Cached latents and prompts go when nothing read them for so long.")
    ] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Yes = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object: version, removed, size, items. Needs --yes or --dry-run.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Delete what no run needs: old checkpoints, unused caches, and what a kill left half-written. Asks first.

    Runs that are going on are left alone, and while one is, so are the caches. Nothing that is deleted is needed to
    resume a run; a cache is made again where it is missed.
    """
    from engine.cleanup import find_waste, remove_waste
    from engine.sizes import gigabytes

    if json_output and not (yes or dry_run):
        raise typer.BadParameter("--json goes with --yes or --dry-run.")
    found = find_waste(runs_dir, keep, days)
    size = sum(waste.size for waste in found)
    if not json_output:
        _print(found, size)
    if found and not dry_run:
        confirm(f"Delete {gigabytes(size)}?", yes)
        for waste in found:
            remove_waste(waste)
    if json_output:
        items = [_as_json(waste) for waste in found]
        typer.echo(json.dumps({"version": 1, "removed": not dry_run, "size": size, "items": items}, indent=2))
    elif found and not dry_run:
        say(f"Removed {gigabytes(size)}.")


def _print(found: Sequence[Waste], size: int) -> None:
    """What may go, a line each, and how much it is together."""
    from curation.text import visible
    from engine.sizes import gigabytes

    for waste in found:
        whose = f"{waste.run.name}: " if waste.run else ""
        typer.echo(visible(f"{gigabytes(waste.size):>8}  {whose}{waste.why}"))
    if found:
        typer.echo(f"{gigabytes(size):>8}  together")
    else:
        say("There is nothing to delete.")


def _as_json(waste: Waste) -> dict[str, object]:
    return {
        "kind": waste.kind,
        "run": waste.run.name if waste.run else None,
        "why": waste.why,
        "size": waste.size,
        "paths": [str(path) for path in waste.paths],
    }
