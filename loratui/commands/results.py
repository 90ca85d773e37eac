"""What a run has learned: `generate` pictures, `export` its files, list these `files`, `verify` that they load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import RunName, RunsDir

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.results.contact_sheet import Row

SHEET = "contact-sheet.png"
PROMPTS_IN_A_ROW = 4
"""On the sheet, where each prompt has one picture."""


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
    negative_prompt: Annotated[str, typer.Option(help="What not to show.")] = "",
    lora_scale: Annotated[float, typer.Option(help="How strongly the LoRA counts; 1 as it was trained.")] = 1.0,
    checkpoint: Annotated[
        int | None,
        typer.Option(metavar="STEP", help="From the checkpoint of this step, also while the run goes on."),
    ] = None,
    compare_base: Annotated[
        bool,
        typer.Option(
            "--compare-base",
            help="The base model's own above them: the same seeds, without the trigger word.",
        ),
    ] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Make pictures from a run's exported files, or from a checkpoint, on one contact sheet; prints its path.

    A terminal with colours shows them too. With --checkpoint the run need not have ended, and its worker is not
    disturbed; but on one GPU both need room: CUDA_VISIBLE_DEVICES= before the command paints on the CPU. With
    --compare-base a row of the base model's pictures stands above each row of the LoRA's: what the prompt alone gives,
    the class noun in the trigger word's place, and what was learned.
    """
    from engine.extras import require
    from engine.painting.request import check_numbers
    from engine.rundir import find_run

    require("train", "loratui generate")
    run = find_run(runs_dir, name)
    config = run.config()
    inference_steps = steps or config.sample.num_inference_steps
    settings = {
        "num_inference_steps": inference_steps,
        "guidance_scale": config.sample.guidance_scale if guidance_scale is None else guidance_scale,
        "size": size or config.data.resolution,
    }
    check_numbers({"seed": seed + num_images - 1, "lora_scale": lora_scale, **settings})
    _silence()
    from engine.results.contact_sheet import contact_sheet
    from engine.results.generate import generate as generate_images
    from engine.text.sample_prompts import base_prompt, sample_prompts
    from loratui.progress import progress_bar

    captions = [text for text in prompt or [sample_prompts(config)[0]] for _ in range(num_images)]
    paint = partial(generate_images, run, seed=seed, negative_prompt=negative_prompt, **settings)
    total = inference_steps * len(captions)
    with progress_bar("Painting") as show:
        learned = _Pictures(
            captions,
            paint(captions, step=checkpoint, lora_scale=lora_scale, on_step=lambda done, _: show(done, total)),
            "with the LoRA" if compare_base else "",
        )
    series = [learned]
    if compare_base:
        asked = [base_prompt(text, config) for text in captions]
        with progress_bar("The base model's") as show:
            images = paint(asked, from_base=True, on_step=lambda done, _: show(done, total))
        series = [_Pictures(asked, images, "base model"), learned]
    _show(series)
    sheet = contact_sheet(_rows(series, num_images if num_images > 1 else PROMPTS_IN_A_ROW))
    typer.echo(_save_pictures(learned.images, sheet, output or run.samples / _sheet_name(checkpoint)))


def export(
    name: RunName,
    checkpoint: Annotated[
        int | None, typer.Option(metavar="STEP", help="The checkpoint of this step; the newest without it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the files; without it output/ or output-STEP/ in the run's folder.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write LoRA files from a run's checkpoint: for diffusers, for ComfyUI and the WebUIs, and the new tokens.

    Any checkpoint will do, also while the run goes on. Without --output, the last one of a run that has ended goes to
    its output/, and every other one to a folder of its own beside it, such as output-000500/. Prints the files' paths.
    """
    from engine.extras import require
    from engine.rundir import find_run

    require("train", "loratui export")
    run = find_run(runs_dir, name)
    _silence()
    from engine.results.export import export_run

    for file in export_run(run, checkpoint, output):
        typer.echo(file)


def files(
    name: RunName,
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object: version, run, files, tools, scp.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """List a run's exported files, where they go in each tool, how a prompt reads there, and what fetches them."""
    import dataclasses
    import json

    from curation.text import visible
    from engine.results.files import exported_name, output_files, scp_line
    from engine.results.tools import first_prompt, tools
    from engine.rundir import find_run
    from engine.sizes import gigabytes
    from engine.text.abstractions import run_tokens

    run = find_run(runs_dir, name)
    config = run.config()
    found, listed = output_files(run), tools(exported_name(run), first_prompt(config), run_tokens(config))
    scp = scp_line(run.output) if found else None
    if json_output:
        as_json = [{"path": str(file.path), "size": file.size, "meaning": file.meaning} for file in found]
        told = {
            "version": 1,
            "run": run.name,
            "files": as_json,
            "tools": [*map(dataclasses.asdict, listed)],
            "scp": scp,
        }
        typer.echo(json.dumps(told, indent=2))
        return
    for file in found:
        typer.echo(visible(f"{file.path}  {gigabytes(file.size)}  {file.meaning}"))
    for tool in listed:
        typer.echo(f"\n{tool.name}")
        for place in tool.places:
            typer.echo(visible(f"  {place.file}  into {place.folder or 'any folder; README.md has the Python'}"))
        typer.echo(visible(f"  prompt: {tool.prompt}"))
    if scp:
        typer.echo(f"\nOn your own computer, with the address that you log in by:\n  {visible(scp)}")


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


@dataclass(frozen=True)
class _Pictures:
    """One model's pictures.  captions: what each was asked for.  heading: the model, where there are two."""

    captions: Sequence[str]
    images: Sequence[Image]
    heading: str


def _rows(series: Sequence[_Pictures], columns: int) -> list[Row]:
    """The pictures in rows of `columns`; the same ones of each model stand one above the other."""
    from engine.results.contact_sheet import Row

    parts = [slice(start, start + columns) for start in range(0, len(series[0].images), columns)]
    return [Row(one.images[part], one.captions[part], one.heading) for part in parts for one in series]


def _show(series: Sequence[_Pictures]) -> None:
    """Draw the pictures in the terminal, where it has the colours for them."""
    from rich.console import Console
    from rich.text import Text

    from loratui.terminal.half_blocks import Shown, places_in_a_row, shows_pictures, side_by_side

    console = Console()
    if not shows_pictures(console):
        return
    count, columns = places_in_a_row(console.width)
    for row in _rows(series, count):
        if row.heading:
            console.print(Text(row.heading, "bold"))
        console.print(side_by_side([Shown(*pair) for pair in zip(row.images, row.captions, strict=True)], columns))


def _save_pictures(images: Sequence[Image], sheet: Image, target: Path) -> Path:
    """Write the sheet to a .png, or the sheet and each picture into a folder; returns the sheet's path."""
    if target.suffix.lower() != ".png":
        for index, image in enumerate(images):
            _save_png(image, target / f"{index:03d}.png")
        target = target / SHEET
    _save_png(sheet, target)
    return target


def _sheet_name(checkpoint: int | None) -> str:
    return SHEET if checkpoint is None else f"contact-sheet-{checkpoint:06d}.png"


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
