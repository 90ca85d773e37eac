"""`models`: the face packs on this disk, which lint needs to tell people apart."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.text import visible

if TYPE_CHECKING:
    from curation.face_packs import FacePack

app = typer.Typer(help="Add and check the models that find faces.", no_args_is_help=False)


@app.command("list")
def list_packs(
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, packs.")] = False,
) -> None:
    """Show the face packs on this disk, and which of them lint uses."""
    from curation.face_packs import best_pack, find_packs

    packs, used = find_packs(), best_pack()
    if json_output:
        rows = [
            {"name": pack.name, "folder": str(pack.folder), "fault": pack.fault, "used": pack == used} for pack in packs
        ]
        typer.echo(json.dumps({"version": 1, "packs": rows}, indent=2))
        return
    for pack in packs:
        state = pack.fault or ("used by lint" if pack == used else "whole")
        typer.echo(visible(f"{pack.name}: {state}; {pack.folder}"))
    if not packs:
        typer.echo("No face pack is on this disk. Add one with: loratui models add faces", err=True)


@app.command("add")
def add(
    what: Annotated[Literal["faces"], typer.Argument(help="What the models are for.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder or a zip with the pack's .onnx files; else it is fetched.")
    ] = None,
    pack: Annotated[str, typer.Option(help="The pack's name; buffalo_l is the most exact (326 MB).")] = "buffalo_l",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You know the licence: non-commercial research only.")
    ] = False,
) -> None:
    """Add a face pack: fetch it from insightface's releases, or take the one that you bring.

    LORATUI_FACE_PACK_URL names another folder on the web to fetch NAME.zip from; LORATUI_FACE_PACKS another place to
    keep packs. Example: loratui models add faces --from ~/buffalo_l.zip
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from curation.face_packs import LICENCE, add_pack

    if not accept_licence and sys.stdin.isatty():
        accept_licence = typer.confirm(f"{LICENCE}\nIs that your use?", err=True)
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(pack, total=None, visible=source is None)
        added = add_pack(
            pack, source, accept_licence, lambda done, total: progress.update(bar, completed=done, total=total)
        )
    typer.echo(visible(str(added.folder)))
    if not added.tells_people_apart:
        typer.echo("It finds faces, but cannot tell people apart: it has no recognition model.", err=True)


@app.command("check")
def check() -> None:
    """Read every byte of the face packs, compare with what was added, and run each once; exit code 1 for a fault."""
    from curation.face_packs import find_packs

    packs = find_packs()
    faults = {pack.name: _fault(pack) for pack in packs}
    for pack in packs:
        hashed = "as it was added" if pack.recorded else "not added by loratui: no checksums to compare"
        typer.echo(visible(f"{pack.name}: {faults[pack.name] or hashed}; {pack.folder}"))
    if not packs:
        typer.echo("No face pack is on this disk. Add one with: loratui models add faces", err=True)
    if any(faults.values()):
        raise typer.Exit(1)


@app.command("remove")
def remove(pack: Annotated[str, typer.Argument(help="Its name, as `loratui models list` shows it.")]) -> None:
    """Delete a face pack that was added here."""
    from curation.face_packs import remove_pack

    typer.echo(visible(f"Removed {remove_pack(pack)}"), err=True)


def _fault(pack: "FacePack") -> str | None:
    import numpy as np

    from curation.errors import CurationError
    from curation.face_detectors import InsightFaceDetector
    from curation.face_packs import check_pack

    if fault := check_pack(pack):
        return fault
    try:
        InsightFaceDetector(pack).find(np.zeros((128, 128, 3), np.uint8))
    except CurationError as error:
        return error.problem
    return None
