"""The part of `lint` that mends: shows the fixes, makes them, and has lora.toml pointed at the mended copy."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curation.text import visible
from loratui.photos.repointing import Repointing
from loratui.progress import progress_bar

if TYPE_CHECKING:
    from curation import Dataset
    from curation.fixes import Fix, Mended
    from curation.journal import Change

DONE = {"rewrite": "mended", "crop": "cropped", "exclude": "left out", "omit": "not copied"}


def show_diff(dataset: "Dataset", fixes: Sequence["Fix"], output: Path | None, repointing: Repointing | None) -> None:
    """Print all that `mend` would change."""
    from curation.fixes import default_output, preview

    if not fixes and output is None:
        say("There is nothing to fix.")
        return
    changes = [repointing.change] if repointing else []
    typer.echo(preview(dataset, fixes, output or default_output(dataset), changes), nl=False)


def mend(
    dataset: "Dataset", fixes: Sequence["Fix"], output: Path | None, repointing: Repointing | None, update: bool
) -> "Dataset":
    """Write the mended copy and say what was done; the dataset itself when there is nothing to fix.

    update: point lora.toml at the copy without asking.
    """
    if not fixes and output is None:
        say("There was nothing to fix, so no copy was written.")
        return dataset
    # Asked before anything is written: one step, which is undone as one.
    update = repointing is not None and (update or _agreed(repointing))
    mended = _apply(dataset, fixes, output, [repointing.change] if repointing and update else [])
    for fix in fixes:
        say(f"{DONE[fix.action]} {fix.photo}: {fix.code} {fix.description}")
    copy = mended.copy
    count = f"{len(copy.photos)} photos"
    say(f"Wrote {count} to {copy.root}." if mended.written else f"{copy.root} is up to date: {count}.")
    if mended.recorded and mended.written:
        say(f"`loratui undo {shlex.quote(str(dataset.root))}` takes it back.")
    if repointing is None:
        say(f"Train on it with: --instance_data_dir {shlex.quote(str(copy.root))}")
    elif update:
        say(f"{repointing.config} says now: {repointing.setting}")
    else:
        say(f"To train on it set in {repointing.config}, or repeat with --update-config: {repointing.setting}")
    return copy


def _apply(dataset: "Dataset", fixes: Sequence["Fix"], output: Path | None, changes: Sequence["Change"]) -> "Mended":
    """Apply the fixes with a progress bar on stderr, when that is a terminal."""
    from curation.fixes import apply_fixes

    with progress_bar("writing the copy") as on_progress:
        return apply_fixes(dataset, fixes, output, changes, on_progress)


def _agreed(repointing: Repointing) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(visible(f"Set {repointing.setting} in {repointing.config} too?"), default=False, err=True)


def say(text: str) -> None:
    """Print to stderr, in one line."""
    typer.echo(visible(text), err=True)
