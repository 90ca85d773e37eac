"""`demo`: the whole road on drawn photos and the mini model, by the very commands that it prints."""

from __future__ import annotations

import shlex
import shutil
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
TRIGGER = "TOK"
WATCHED = "a photo of {subject} in the middle on a red background"
"""What the sample pictures show while it trains."""
NEW_PLACES = (
    "a photo of {subject} at night",
    "a cartoon of {subject} in the snow",
    "pixel art of {subject} in the desert",
    "a photo of {subject} on the right on a purple background",
)
"""What no photo shows: three sceneries, two styles and a colour."""

# What makes the run short enough to watch: the mini model, which has little attention, small pictures, few steps.
DEMO_SETTINGS = (
    "model.pretrained_model_name_or_path=mini",
    "data.resolution=64",
    "data.aspect_ratio_buckets=true",
    "lora.rank=16",
    "lora.lora_layers=attention_and_feed_forward",
    "run.train_batch_size=4",
    "run.max_train_steps=200",
    "run.checkpointing_steps=100",
    "sample.validation_steps=25",
    "sample.num_inference_steps=20",
    "sample.guidance_scale=4.0",
)


@dataclass(frozen=True)
class Step:
    """One command of the demo.  arguments: after the word `loratui`.  fine: exit codes that let the demo go on."""

    why: str
    arguments: Sequence[str]
    fine: frozenset[int] = frozenset({0})

    @property
    def command(self) -> str:
        """As it is typed in a shell."""
        return shlex.join(["loratui", *self.arguments])


def demo(
    output: Annotated[
        Path | None, typer.Option(help="A new or empty folder for everything; ./loratui-demo without it.")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="A folder of photos to copy instead of the samples.")] = None,
) -> None:
    """Go the whole road in about two minutes, offline: lint, captions, training, verification, pictures.

    It runs the commands that it prints, on drawn photos of a little monster with planted faults and on a miniature SDXL
    that paints a small world, monsters among it, but does not know this one. In a terminal with colours one can watch
    it learn. All goes to the output folder.
    """
    from rich.console import Console
    from rich.text import Text

    from engine.extras import require
    from engine.mini.world import MONSTER
    from engine.rundir import free_name

    require("train", "loratui demo")
    folder = output or Path(free_name(Path(), "loratui-demo"))
    _must_be_empty(folder)
    _lay_out(photos, folder / "photos")
    console = Console(highlight=False, soft_wrap=True)
    with _noting_interrupts() as interrupts:
        for step in road(folder, MONSTER if photos is None else None):
            console.print(Text(f"\n{step.why}", "bold"))
            console.print(Text(f"$ {step.command}", "cyan"))
            code = subprocess.run([sys.executable, "-m", "loratui", *step.arguments], check=False).returncode
            if interrupts or code not in step.fine:
                reason = "interrupted" if interrupts else f"`{step.command}` returned exit code {code}"
                Console(stderr=True, soft_wrap=True).print(Text(f"The demo ends here: {reason}.", "bold red"))
                raise typer.Exit(INTERRUPTED if interrupts else code)
    console.print(Text(_farewell(folder)))


def road(folder: Path, class_noun: str | None) -> Iterator[Step]:
    """The demo's commands, in order, made as they are needed: later ones look at what the earlier ones left.

    class_noun: what the sample photos show; None for photos of the user's own.
    """
    subject = f"a {TRIGGER} {class_noun}" if class_noun else TRIGGER
    yield from _prepare(folder, class_noun, subject)
    yield from _learn(folder, subject)


def _prepare(folder: Path, class_noun: str | None, subject: str) -> Iterator[Step]:
    """From a folder of photos to settings, and to photos worth training on, with captions."""
    from loratui.photos.demo_photos import FAR_AWAY

    photos, fixed, config = (folder / name for name in ("photos", "photos-fixed", "lora.toml"))
    settings = [
        *DEMO_SETTINGS,
        *([f"text_encoder.initializer_concept={class_noun}"] if class_noun else []),
        f"concept.instance_prompt=a photo of {subject}",
        f"sample.validation_prompt={WATCHED.format(subject=subject)}",
    ]
    yield Step(
        "Settings: a preset for a character, and what makes this demo short.",
        ["init", str(photos), "--kind", "character", "--output", str(config), *_repeat("--set", settings)],
    )
    yield Step(
        "Check the photos, mend in a copy what can be mended, leave the rest out of it, and have the settings name it.",
        [
            *("lint", str(photos), "--config", str(config), "--fix", "--unsafe-fixes", "--output", str(fixed)),
            "--update-config",
        ],
        frozenset({0, 1}),
    )
    yield Step("What does a rule look at, and why does it matter?", ["explain", "SET001"])
    if not fixed.exists():  # there was nothing to mend
        fixed = photos
    if class_noun:
        yield Step(
            "A note is for you to decide on. Here is little to learn from: most of the photo shows something else.",
            ["exclude", str(fixed), FAR_AWAY, "--reason", "too far away"],
        )
    yield Step("A caption where there is none.", ["caption", "set", str(fixed), f"a photo of {subject}", "--empty"])
    yield Step(
        "The trigger word in all of them. The looks, which none of them tells, are what it will stand for.",
        ["caption", "trigger", str(fixed), TRIGGER, *(["--class-noun", class_noun] if class_noun else [])],
    )
    yield Step("They lie in metadata.jsonl.", ["caption", "list", str(fixed)])
    yield Step("Every edit is noted down, and `loratui undo` takes back the last.", ["history", str(fixed)])


def _learn(folder: Path, subject: str) -> Iterator[Step]:
    """From settings and photos to a LoRA, and to pictures with it."""
    in_runs = ("--runs-dir", str(folder / "runs"))
    prompts = [prompt.format(subject=subject) for prompt in NEW_PLACES]
    yield Step(
        "Train: pivotal tuning, Prodigy, min-SNR, in a process of its own.",
        ["train", str(folder / "lora.toml"), "--name", "demo", *in_runs],
    )
    yield Step("Load the files as a user would, and compare.", ["verify", "demo", *in_runs])
    yield Step(
        "The trigger word where no photo shows it, below what the base model makes of the same words.",
        [
            *("generate", "demo", *in_runs, *_repeat("--prompt", prompts), "--num-images", "1", "--compare-base"),
            *("--output", str(folder / "contact-sheet.png")),
        ],
    )


def _must_be_empty(folder: Path) -> None:
    from engine.errors import EngineError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EngineError(f"{folder} is not an empty folder.", "Choose another place with --output.")


def _lay_out(given: Path | None, photos: Path) -> None:
    """Put copies of the given photos, or else the samples, into the folder `photos`."""
    from curation.dataset import open_dataset
    from loratui.photos.demo_photos import write_demo_photos

    if given is None:
        write_demo_photos(photos)
    else:
        shutil.copytree(open_dataset(given).root, photos)


@contextmanager
def _noting_interrupts() -> Iterator[list[int]]:
    """Collect Ctrl-C's instead of dying of them: each reaches the running command too, which ends in its own way."""
    interrupts: list[int] = []
    # A handler of our own, because a signal that is ignored would stay ignored in the command.
    before = signal.signal(signal.SIGINT, lambda number, _frame: interrupts.append(number))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


def _repeat(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _farewell(folder: Path) -> str:
    return f"""
Everything lies in {folder}:
  photos-fixed/       the mended photos, with captions in metadata.jsonl
  lora.toml           the settings
  runs/demo/output/   the LoRA and its new tokens, for diffusers, ComfyUI, A1111
  contact-sheet.png   the base model's pictures, and below them those with the LoRA

Next, with photos of your own and real SDXL (7 GB, fetched once; wants a GPU):
  loratui lint PHOTOS --kind person
  loratui init PHOTOS --kind person
  loratui train lora.toml
"""
