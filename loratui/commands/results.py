"""What a run has learned: `generate` pictures with it, `export` its files, `verify` that they load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunName, RunsDir

if TYPE_CHECKING:
    from PIL.Image import Image

SHEET = "contact-sheet.png"


def generate(
    name: RunName,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="What to show, with the trigger word; may be repeated. Without it: the run's own prompt."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="A .png for the contact sheet, or a folder that gets each picture too."),
    ] = None,
    num_images: Annotated[int, typer.Option(min=1, help="Pictures for each prompt.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first picture; the next has seed + 1.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps; the run's setting without it.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(min=0, help="Guidance; the run's setting without it.")] = None,
    size: Annotated[
        int | None, typer.Option(min=64, help="Side in pixels, a multiple of 8; the run's resolution without it.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Make pictures from a run's exported files, on one contact sheet; prints its path."""
    from engine.errors import EngineError
    from engine.extras import require
    from engine.rundir import find_run

    require("train", "loratui generate")
    run = find_run(runs_dir, name)
    if size is not None and size % 8:
        raise EngineError(
            f"A picture cannot be {size} pixels wide.", f"Choose a multiple of 8, such as {size // 8 * 8}."
        )
    _silence()
    from engine.results.contact_sheet import contact_sheet
    from engine.results.generate import generate as generate_images
    from engine.text.sample_prompts import sample_prompts

    config = run.config()
    captions = [text for text in prompt or [sample_prompts(config)[0]] for _ in range(num_images)]
    images = generate_images(
        run,
        captions,
        num_inference_steps=steps or config.sample.num_inference_steps,
        guidance_scale=config.sample.guidance_scale if guidance_scale is None else guidance_scale,
        seed=seed,
        size=size or config.data.resolution,
    )
    sheet = contact_sheet(images, captions, columns=num_images)
    typer.echo(_save_pictures(images, sheet, output or run.samples / SHEET))


def export(
    name: RunName,
    checkpoint: Annotated[int | None, typer.Option(help="Step of the checkpoint; the newest without it.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the files; the run's output/ without it.")] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write a run's LoRA files from a checkpoint: for diffusers, for ComfyUI and the WebUIs, and the new tokens."""
    from engine.extras import require
    from engine.rundir import find_run

    require("train", "loratui export")
    run = find_run(runs_dir, name)
    _silence()
    from engine.results.export import export_run

    for file in export_run(run, checkpoint, output):
        typer.echo(file)


def verify(
    name: RunName,
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object: version, run, ok, files, tensors, difference, message.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Load a run's files into a fresh pipeline, as a user would, and compare a picture with the trained weights'."""
    import dataclasses
    import json

    from engine.extras import require
    from engine.rundir import find_run

    require("train", "loratui verify")
    run = find_run(runs_dir, name)
    _silence()
    from curation.text import visible
    from engine.results.verify import verify_run

    verification = verify_run(run)
    if json_output:
        typer.echo(json.dumps({"version": 1, "run": run.name, **dataclasses.asdict(verification)}, indent=2))
    else:
        typer.echo(visible(f"{run.name}: {'verified' if verification.ok else 'NOT verified'}: {verification.message}"))
    raise typer.Exit(0 if verification.ok else 1)


def _save_pictures(images: Sequence[Image], sheet: Image, target: Path) -> Path:
    """Write the sheet to a .png, or the sheet and each picture into a folder; returns the sheet's path."""
    if target.suffix.lower() != ".png":
        for index, image in enumerate(images):
            _save_png(image, target / f"{index:03d}.png")
        target = target / SHEET
    _save_png(sheet, target)
    return target


def _save_png(image: Image, path: Path) -> None:
    from curation.atomic import writing

    with writing(path) as temporary:
        image.save(temporary, format="PNG")


def _silence() -> None:
    """Keep the libraries' talk off the terminal; what they say at import is only kept by the environment."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    from engine.models.load import silence_libraries

    silence_libraries()
