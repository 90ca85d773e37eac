"""What has changed since a run's newest checkpoint: shown, and asked about, before the run goes on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from loratui.commands.talk import say

if TYPE_CHECKING:
    from engine.differences import Difference
    from engine.rundir import RunDir
    from engine.start import Resumption

MOST_SHOWN = 50
"""Changes of a kind: a folder of a thousand photos that were all replaced is told by its first ones."""


def must_agree(run: RunDir, resumption: Resumption, force: bool) -> None:
    """Show what has changed, and return if the run may go on: nothing weighs, or it was agreed to, here or by `force`.

    Raises EngineError for what cannot go on, and where nobody is there to be asked; Abort where the answer is no.
    """
    from loratui.runs.changes import changes_since

    changes = changes_since(run, resumption)
    for sentence in changes.notes:
        say(sentence)
    for heading, differences in changes.groups:
        _show(heading, differences)
    if changes.refusal:
        raise changes.refusal
    if changes.question:
        _ask(changes.question, changes.instead, force)


def _ask(what: str, instead: str, force: bool) -> None:
    from engine.errors import EngineError

    if force:
        return
    if not sys.stdin.isatty():
        raise EngineError(what, f"Nobody is there to be asked: agree with --force, or {instead}.")
    typer.confirm(f"{what} Is that meant?", abort=True, err=True)


def _show(heading: str, differences: Sequence[Difference]) -> None:
    """Print changes like those of a file, a line that went and a line that came; texts are shown in full."""
    from rich.console import Console
    from rich.text import Text

    from loratui.runs.changes import lines_of

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text(heading, "bold"))
    for difference in differences[:MOST_SHOWN]:
        console.print(lines_of(difference))
    if len(differences) > MOST_SHOWN:
        console.print(Text(f"  and {len(differences) - MOST_SHOWN} more"))
