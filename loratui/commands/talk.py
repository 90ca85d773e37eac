"""What commands say beside their results, and what they ask: on stderr, so that stdout is for machines."""

import sys

import typer

from curation.text import visible


def say(text: str) -> None:
    """Print a line, with control characters shown and not obeyed."""
    typer.echo(visible(text), err=True)


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`. Exits where the answer is no; with nobody there to answer, says how to answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        say(f"{question} Nobody is there to answer: say so with --yes.")
        raise typer.Exit(2)
    typer.confirm(visible(question), abort=True, err=True)
