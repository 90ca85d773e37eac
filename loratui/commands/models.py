"""`models`: what a run starts from and what lint tells people apart with, on this disk and from the hub."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.text import visible
from loratui.commands.talk import confirm

if TYPE_CHECKING:
    from curation.face_packs import FacePack

FACES = "faces"

app = typer.Typer(help="Base models, VAEs, and the models that find faces.", no_args_is_help=False)


@app.command("list")
def list_models(
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object: version, models, packs.")] = False,
) -> None:
    """Show base models, VAEs and face packs on this disk: name, kind, size, path."""
    from curation.face_packs import best_pack, find_packs
    from engine.models.store import stored_models

    models, packs, used = stored_models(), find_packs(), best_pack()
    if json_output:
        answer = {
            "version": 1,
            "models": [
                {
                    "name": model.name,
                    "kind": model.kind,
                    "size": model.size,
                    "path": str(model.path),
                    "built_in": model.built_in,
                }
                for model in models
            ],
            "packs": [
                {"name": pack.name, "folder": str(pack.folder), "fault": pack.fault, "used": pack == used}
                for pack in packs
            ],
        }
        typer.echo(json.dumps(answer, indent=2))
        return
    for model in models:
        kind = f"{model.kind}, built in" if model.built_in else model.kind
        typer.echo(visible(f"{model.name}: {kind}, {model.size / 1e9:.2f} GB; {model.path}"))
    for pack in packs:
        state = pack.fault or ("used by lint" if pack == used else "whole")
        typer.echo(visible(f"{pack.name}: face pack, {state}; {pack.folder}"))
    if not any(model.kind == "SDXL" and not model.built_in for model in models):
        typer.echo("No base model is on this disk. Fetch SDXL (7 GB) with: loratui models add sdxl", err=True)
    if not packs:
        typer.echo("No face pack is on this disk. Add one with: loratui models add faces", err=True)


@app.command("add")
def add(
    what: Annotated[
        str,
        typer.Argument(
            help="sdxl, sdxl-vae-fp16, a hub id, a diffusers folder, a .safetensors checkpoint; or faces, for a pack."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call a folder or file; else its own name.")] = None,
    revision: Annotated[str | None, typer.Option(help="Revision on the hub.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="Weights to fetch; else fp16 where the hub has them, or the plain ones.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Of faces: a folder or zip with the pack's .onnx files.")
    ] = None,
    pack: Annotated[str, typer.Option(help="Of faces: the pack; buffalo_l is the most exact (326 MB).")] = "buffalo_l",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Of faces: you know the licence, non-commercial research only.")
    ] = False,
) -> None:
    """Fetch a model from the hub, or give a name to a folder or file of yours, which stays where it is.

    From the hub comes what SDXL needs, into its own cache (HF_HOME); a download that broke off goes on where it
    stopped. HF_TOKEN opens models that are not public. Face packs come from insightface's releases, or from what you
    bring; LORATUI_FACE_PACK_URL names another folder on the web to fetch NAME.zip from, LORATUI_FACE_PACKS another
    place to keep packs. Examples: loratui models add sdxl; loratui models add ~/juggernaut.safetensors
    """
    from engine.models.names import RESERVED
    from engine.paths import is_there, typed_path

    if what == FACES:
        _add_faces(pack, source, accept_licence)
    elif what not in RESERVED and is_there(typed_path(what)):
        _add_own(typed_path(what), name)
    else:
        _fetch(what, revision, variant)


@app.command("path")
def path(name: Annotated[str, typer.Argument(help="A name that `loratui models list` shows, or a hub id.")]) -> None:
    """Print where a model lies, for other tools: its diffusers folder, or its single file."""
    from engine.models.store import model_path

    typer.echo(visible(str(model_path(name))))


@app.command("check")
def check() -> None:
    """Look whether the built-in mini model is whole; read every byte of the face packs, and run each once.

    Packs are compared with what was added. Exit code 1 for a fault.
    """
    from curation.face_packs import find_packs
    from engine.models.files import model_problem
    from engine.models.names import MINI
    from engine.settings import ModelSection

    packs = find_packs()
    mini_problem = model_problem(ModelSection(pretrained_model_name_or_path=MINI))
    typer.echo(visible(f"{MINI}: {mini_problem or 'built in, whole'}"))
    faults = {pack.name: _fault(pack) for pack in packs}
    for pack in packs:
        hashed = "as it was added" if pack.recorded else "not added by loratui: no checksums to compare"
        typer.echo(visible(f"{pack.name}: {faults[pack.name] or hashed}; {pack.folder}"))
    if not packs:
        typer.echo("No face pack is on this disk. Add one with: loratui models add faces", err=True)
    if mini_problem or any(faults.values()):
        raise typer.Exit(1)


@app.command("rm")
def remove(
    name: Annotated[str, typer.Argument(help="A name that `loratui models list` shows.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a model that was fetched, or a face pack that was added; of your own files, only the name is forgotten."""
    from curation.face_packs import find_packs, packs_folder, remove_pack
    from engine.models.store import removable_model, remove_model

    if any(pack.name == name and pack.folder.parent == packs_folder() for pack in find_packs()):
        confirm(f"Delete the face pack {name}?", yes)
        typer.echo(visible(f"Removed {remove_pack(name)}"), err=True)
        return
    model = removable_model(name)
    if model.stored is None:
        confirm(f"Forget the name {name}? {model.path} stays.", yes)
    else:
        confirm(f"Delete {model.stored}, {model.size / 1e9:.2f} GB?", yes)
    remove_model(model)
    typer.echo(visible(f"Removed {model.stored or name}"), err=True)


def _fetch(name: str, revision: str | None, variant: str | None) -> None:
    from engine.models.download import download_model
    from engine.models.files import folder_problem

    with _progress(name) as on_progress:
        folder = download_model(name, revision, variant, on_progress)
    if problem := folder_problem(folder, variant):
        raise problem
    typer.echo(visible(str(folder)))


def _add_own(path: Path, name: str | None) -> None:
    from engine.models.checkpoint_header import checkpoint_problem
    from engine.models.files import folder_problem, is_checkpoint
    from engine.models.names import give_name

    # A checkpoint without a VAE is of use beside another one.
    problem = checkpoint_problem(path, replaces_vae=True) if is_checkpoint(path) else folder_problem(path, None)
    if problem:
        raise problem
    name = name or path.name.removesuffix(".safetensors")
    give_name(name, path)
    typer.echo(visible(str(path.absolute())))
    typer.echo(visible(f"It is now called {name}, and stays where it is."), err=True)


def _add_faces(pack: str, source: Path | None, accept_licence: bool) -> None:
    from curation.face_packs import LICENCE, add_pack

    if not accept_licence and sys.stdin.isatty():
        accept_licence = typer.confirm(f"{LICENCE}\nIs that your use?", err=True)
    with _progress(pack, shown=source is None) as on_progress:
        added = add_pack(pack, source, accept_licence, on_progress)
    typer.echo(visible(str(added.folder)))
    if not added.tells_people_apart:
        typer.echo("It finds faces, but cannot tell people apart: it has no recognition model.", err=True)


@contextmanager
def _progress(what: str, shown: bool = True) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on the terminal behind stderr, and what moves it: given bytes that came, and bytes in all."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(what, total=None, visible=shown)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


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
