"""`undo`, `redo` and `history` of what was written in a folder of photos."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.text import visible
from loratui.commands.options import Photos

if TYPE_CHECKING:
    from curation.journal import Entry


def undo(photos: Photos) -> None:
    """Take back the last edit of captions, exclusions or suppressions, or the last fix. Again takes back one more.

    Files get back their exact content. Refused where somebody else changed one since. Example: loratui undo photos
    """
    from curation.journal import undo

    typer.echo(visible(f"Took back: {undo(photos).summary}."), err=True)


def redo(photos: Photos) -> None:
    """Make the edit that was undone last once more, as long as no other came after it.

    Example: loratui redo photos
    """
    from curation.journal import redo

    typer.echo(visible(f"Made again: {redo(photos).summary}."), err=True)


def history(
    photos: Photos,
    format: Annotated[Literal["text", "json"], typer.Option(help="How the entries are written to stdout.")] = "text",
) -> None:
    """List what was written in a folder of photos, oldest first; `undo` takes back the last that is done.

    `dropped` was undone, and another edit came after it; `failed` could not be written.
    """
    from curation.journal import history

    entries = history(photos)
    if format == "json":
        typer.echo(json.dumps({"version": 1, "dataset": str(photos), "entries": list(map(_json, entries))}, indent=2))
        return
    for entry in entries:
        when = datetime.fromtimestamp(entry.time).strftime("%Y-%m-%d %H:%M")
        typer.echo(visible(f"{entry.number:4}  {when}  {entry.state:7}  {entry.summary}  ({', '.join(_files(entry))})"))


def _json(entry: "Entry") -> dict[str, object]:
    return {
        "number": entry.number,
        "time": entry.time,
        "state": entry.state,
        "summary": entry.summary,
        "files": _files(entry),
    }


def _files(entry: "Entry") -> list[str]:
    made = [] if entry.created is None else [str(entry.created)]
    return [*(patch.path.as_posix() for patch in entry.patches), *made]
