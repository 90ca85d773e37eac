"""`demo`: the whole road on sample photos and a tiny model, by the very commands that it prints."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130
TRIGGER_CAPTION, CLOSE_CAPTION = "a photo of TOK", "a close-up photo of TOK, smiling"

# What makes the run short enough to watch: the tiny model, small pictures, few steps.
DEMO_SETTINGS = (
    "model.pretrained_model_name_or_path=tiny",
    "data.resolution=64",
    "run.max_train_steps=48",
    "run.checkpointing_steps=24",
    "lora.rank=8",
    "sample.num_inference_steps=4",
)


@dataclass(frozen=True)
class Step:
    """One command of the demo.  arguments: after the word `loratui`.  fine: exit codes that let the demo go on."""

    why: str
    arguments: Sequence[str]
    fine: frozenset[int] = frozenset({0})


def demo(
    output: Annotated[
        Path | None, typer.Option(help="A new or empty folder for everything; ./loratui-demo without it.")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Photos of your own to take instead of the samples.")] = None,
) -> None:
    """Go the whole road in about a minute, offline: lint, captions, training, verification, pictures.

    It runs the commands that it prints, on public-domain photos with planted faults and a tiny SDXL with random
    weights, so the pictures at the end are noise. Nothing outside the output folder is touched.
    """
    from rich.console import Console
    from rich.text import Text

    from engine.extras import require
    from engine.rundir import free_name

    require("train", "loratui demo")
    folder = output or Path(free_name(Path(), "loratui-demo"))
    _must_be_empty(folder)
    if photos is None:
        from loratui.demo_photos import write_demo_photos

        photos = folder / "photos"
        write_demo_photos(photos)

    console = Console(highlight=False)
    for step in road(photos, folder):
        command = shlex.join(["loratui", *step.arguments])
        console.print()
        console.print(Text(step.why, "bold"))
        console.print(Text(f"$ {command}", "cyan"), soft_wrap=True)
        code = _run(step.arguments)
        if code == INTERRUPTED:
            raise typer.Exit(INTERRUPTED)
        if code not in step.fine:
            Console(stderr=True).print(
                Text(f"The demo ends here: `{command}` returned exit code {code}.", "bold red"), soft_wrap=True
            )
            raise typer.Exit(code)
    console.print(Text(_farewell(folder)), soft_wrap=True)


def road(photos: Path, folder: Path) -> Iterator[Step]:
    """The demo's commands, in order, made as they are needed: later ones look at what the earlier ones left."""
    fixed, config, runs = folder / "photos-fixed", folder / "lora.toml", folder / "runs"
    yield Step(
        "Settings for the photos: a preset for a person, made small for this demo.",
        ["init", str(photos), "--kind", "person", "--output", str(config), *_repeat("--set", DEMO_SETTINGS)],
    )
    yield Step(
        "What is wrong with the photos? Errors are found, so lint returns exit code 1.",
        ["lint", str(photos), "--kind", "person"],
        frozenset({0, 1}),
    )
    yield Step("What does such a finding mean?", ["explain", "DUP002"])
    yield Step(
        "Mend a copy of what can be mended, and leave the rest out of it.",
        ["lint", str(photos), "--kind", "person", "--fix", "--unsafe-fixes", "--output", str(fixed)],
        frozenset({0, 1}),
    )
    yield Step("A caption for every photo.", ["caption", "set", str(fixed), TRIGGER_CAPTION, "--empty"])
    yield Step(
        "A better one where there is more to say.",
        ["caption", "set", str(fixed), CLOSE_CAPTION, "--photo", first_trainable(fixed)],
    )
    yield Step("They lie in metadata.jsonl.", ["caption", "list", str(fixed)])
    yield Step(
        "Train: new tokens for TOK until the pivot, a LoRA on the UNet, Prodigy, min-SNR, in a process of its own.",
        [
            *("train", str(config), "--instance_data_dir", str(fixed)),
            *("--name", "demo", "--runs-dir", str(runs)),
        ],
    )
    yield Step("Load the files as a user would, and compare.", ["verify", "demo", "--runs-dir", str(runs)])
    yield Step(
        "Pictures from them.",
        [
            *("generate", "demo", "--runs-dir", str(runs), "--prompt", TRIGGER_CAPTION),
            *("--output", str(folder / "contact-sheet.png")),
        ],
    )


def first_trainable(photos: Path) -> str:
    """The name of the first photo that training uses."""
    from curation.dataset import open_dataset
    from curation.errors import CurationError

    dataset = open_dataset(photos)
    if not dataset.trainable:
        raise CurationError(f"No photo of {photos} can be trained on.", "Give the demo better photos.")
    return dataset.trainable[0].name


def _must_be_empty(folder: Path) -> None:
    from engine.errors import EngineError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EngineError(f"{folder} is not an empty folder.", "Choose another place with --output.")


def _run(arguments: Sequence[str]) -> int:
    """Run `loratui` with `arguments` in this terminal; its exit code, INTERRUPTED when Ctrl-C ended it."""
    with _leaving_interrupts_to_the_command():
        code = subprocess.run([sys.executable, "-m", "loratui", *arguments], check=False).returncode
    return INTERRUPTED if code == -signal.SIGINT else code


@contextmanager
def _leaving_interrupts_to_the_command() -> Iterator[None]:
    """Ctrl-C reaches the command too, which ends in its own way: `train` asks first."""
    # A handler of our own, because a signal that is ignored stays ignored in the command.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _repeat(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _farewell(folder: Path) -> str:
    return f"""
Everything lies in {folder}:
  photos-fixed/         the mended photos, with captions in metadata.jsonl
  lora.toml             the settings
  runs/demo/output/     the LoRA for diffusers, and for ComfyUI, A1111 and kohya's tools, with its embedding
  contact-sheet.png     noise, because the tiny model's weights are random: with real SDXL it is your subject

Next, with photos of your own and real SDXL (7 GB, fetched once; wants a GPU):
  loratui lint PHOTOS --kind person
  loratui init PHOTOS --kind person
  loratui train lora.toml
"""
