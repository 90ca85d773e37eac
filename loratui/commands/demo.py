"""`demo`: the whole road on sample photos and a tiny model, by the very commands that it prints."""

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
CAPTION, LAST_CAPTION = "a photo of TOK", "a photo of TOK in warm evening light"

# What makes the run short enough to watch: the tiny model, small pictures, few steps.
DEMO_SETTINGS = (
    "model.pretrained_model_name_or_path=tiny",
    "data.resolution=64",
    "lora.rank=8",
    "run.train_batch_size=4",
    "run.max_train_steps=76",  # Prodigy's rate begins to rise after about 60
    "run.checkpointing_steps=38",
    "sample.num_inference_steps=4",
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
    """Go the whole road in about a minute, offline: lint, captions, training, verification, pictures.

    It runs the commands that it prints, on public-domain photos with planted faults and a tiny SDXL with random
    weights, so the pictures at the end are noise. All goes to the output folder; the tiny model is kept in the cache.
    """
    from rich.console import Console
    from rich.text import Text

    from engine.extras import require
    from engine.rundir import free_name

    require("train", "loratui demo")
    folder = output or Path(free_name(Path(), "loratui-demo"))
    _must_be_empty(folder)
    _lay_out(photos, folder / "photos")
    console = Console(highlight=False, soft_wrap=True)
    with _noting_interrupts() as interrupts:
        for step in road(folder):
            console.print(Text(f"\n{step.why}", "bold"))
            console.print(Text(f"$ {step.command}", "cyan"))
            code = subprocess.run([sys.executable, "-m", "loratui", *step.arguments], check=False).returncode
            if interrupts or code not in step.fine:
                reason = "interrupted" if interrupts else f"`{step.command}` returned exit code {code}"
                Console(stderr=True, soft_wrap=True).print(Text(f"The demo ends here: {reason}.", "bold red"))
                raise typer.Exit(INTERRUPTED if interrupts else code)
    console.print(Text(_farewell(folder)))


def road(folder: Path) -> Iterator[Step]:
    """The demo's commands, in order, made as they are needed: later ones look at what the earlier ones left."""
    photos, fixed, config, runs = (folder / name for name in ("photos", "photos-fixed", "lora.toml", "runs"))
    yield Step(
        "Settings: a preset for a person, and what makes this demo short.",
        ["init", str(photos), "--kind", "person", "--output", str(config), *_repeat("--set", DEMO_SETTINGS)],
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
    yield Step("A caption for every photo.", ["caption", "set", str(fixed), CAPTION, "--empty"])
    yield Step(
        "A better one where there is more to say.",
        ["caption", "set", str(fixed), LAST_CAPTION, "--photo", last_trainable(fixed)],
    )
    yield Step("They lie in metadata.jsonl.", ["caption", "list", str(fixed)])
    yield Step("Every edit is noted down, and `loratui undo` takes back the last.", ["history", str(fixed)])
    yield Step(
        "Train: pivotal tuning, Prodigy, min-SNR, in a process of its own.",
        ["train", str(config), "--name", "demo", "--runs-dir", str(runs)],
    )
    yield Step("Load the files as a user would, and compare.", ["verify", "demo", "--runs-dir", str(runs)])
    yield Step(
        "Pictures from them.",
        [
            *("generate", "demo", "--runs-dir", str(runs), "--prompt", CAPTION),
            *("--output", str(folder / "contact-sheet.png")),
        ],
    )


def last_trainable(photos: Path) -> str:
    """The name of the last photo that training uses. Raises CurationError when it uses none."""
    from curation.dataset import open_dataset
    from curation.errors import CurationError

    dataset = open_dataset(photos)
    if not dataset.trainable:
        raise CurationError(f"No photo of {photos} can be trained on.", "Give the demo better photos.")
    return dataset.trainable[-1].name


def _must_be_empty(folder: Path) -> None:
    from engine.errors import EngineError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EngineError(f"{folder} is not an empty folder.", "Choose another place with --output.")


def _lay_out(given: Path | None, photos: Path) -> None:
    """Put copies of the given photos, or else the samples, into the folder `photos`."""
    from curation.dataset import open_dataset
    from loratui.demo_photos import write_demo_photos

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
  contact-sheet.png   noise, since the tiny model's weights are random

Next, with photos of your own and real SDXL (7 GB, fetched once; wants a GPU):
  loratui lint PHOTOS --kind person
  loratui init PHOTOS --kind person
  loratui train lora.toml
"""
