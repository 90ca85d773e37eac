"""One good run on the mascot, and all that the quality tests measure of it."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.atomic import write_text
from engine.mini import exam, held_back
from engine.mini.drawing import draw
from engine.mini.exam import Grades
from engine.mini.held_back import NOISE_LEVELS, Conditioning
from engine.mini.mascot import standard_scenes, trigger_caption, write_photos
from engine.mini.world import MONSTER, RESOLUTION, Scene, seen_scene
from engine.models.load import compute_dtype, default_device, load_models
from engine.results.export import checkpoint_weights
from engine.results.generate import load_base_pipeline, load_run_pipeline
from engine.rundir import RunDir
from engine.text.abstractions import replace_abstractions, run_tokens
from engine.text.prompts import PromptEncoder
from engine.training.weights import add_trainables, apply_weights

MASCOTS, OTHERS, HELD_BACK = 16, 8, 16
PHOTO_SIZE = (256, 256)
STEPS = 200


@dataclass(frozen=True)
class Losses:
    """The loss on held-back drawings of the mascot, by noise level.

    base: of the base model, asked for a monster.  run: of the run, asked by the trigger word.  misled: of the run,
    asked for the place and background of another drawing.  tokens: of the new tokens without the LoRA.
    training: of the run, its captions encoded as training encodes them.
    """

    base: dict[str, float]
    run: dict[str, float]
    misled: dict[str, float]
    tokens: dict[str, float]
    training: dict[str, float]


@dataclass(frozen=True)
class Report:
    """The measurements of a run.

    base: of the base model.  shuffled: of a run whose photos have each other's captions.
    """

    run: Grades
    base: Grades
    shuffled: Grades
    losses: Losses

    def learned(self, level: str) -> float:
        """The share of the base model's loss at this noise level that the run has got rid of."""
        return 1 - self.losses.run[level] / self.losses.base[level]

    def learned_by_tokens(self, level: str) -> float:
        """The same of the new tokens without the LoRA."""
        return 1 - self.losses.tokens[level] / self.losses.base[level]

    def heeded(self, level: str) -> float:
        """The share of the loss that the right place and background save, against those of another drawing."""
        return 1 - self.losses.run[level] / self.losses.misled[level]

    def out_of_step(self, level: str) -> float:
        """How much the loss changes when captions are encoded as training encodes them, relative to painting's."""
        return abs(self.losses.training[level] / self.losses.run[level] - 1)

    def figures(self) -> dict[str, float]:
        """Every number that a test looks at, by name."""
        return {
            "concept": self.run.concept,
            "concept, base": self.base.concept,
            "concept, shuffled": self.shuffled.concept,
            "place": self.run.place,
            "place, base": self.base.place,
            "place, shuffled": self.shuffled.place,
            "background": self.run.background,
            "background, base": self.base.background,
            "background, shuffled": self.shuffled.background,
            "leak": self.run.leak,
            "leak, base": self.base.leak,
            "variety": self.run.variety,
            "variety, base": self.base.variety,
            "monster": self.run.monster,
            "monster, base": self.base.monster,
            **{
                f"{name}, {level} noise": measure(level)
                for name, measure in (
                    ("learned", self.learned),
                    ("learned by tokens", self.learned_by_tokens),
                    ("heeded", self.heeded),
                    ("out of step", self.out_of_step),
                )
                for level in NOISE_LEVELS
            },
        }

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(path: Path) -> "Report":
        values = json.loads(path.read_text())
        losses = Losses(**values.pop("losses"))
        return Report(**{name: Grades(**grades) for name, grades in values.items()}, losses=losses)


GIVEN = pytest.StashKey[Report]()
"""Where a plugin puts a report that the tests are to look at, instead of measuring one."""


def examine(folder: Path, seed: int = 0) -> Report:
    """Train a run and its shuffled counterpart in `folder`, and measure them."""
    scenes, captions = scenes_and_captions()
    run = train(folder / "whole", scenes, captions, seed)
    shuffled = train(folder / "shuffled", scenes, random.Random(0).sample(captions, len(captions)), seed)
    return Report(
        run=exam.grade(exam.paint(run)),
        base=exam.grade(exam.paint_base(run.config().model)),
        shuffled=exam.grade(exam.paint(shuffled, rounds=1)),
        losses=held_back_losses(run),
    )


def train(folder: Path, scenes: Sequence[Scene], captions: Sequence[str], seed: int) -> RunDir:
    """A run on photos of the scenes."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    write_photos(photos, scenes, captions, size=PHOTO_SIZE)
    return exam.train(photos, folder / "runs" / "mascot", {"run": {"max_train_steps": STEPS, "seed": seed}})


def scenes_and_captions() -> tuple[list[Scene], list[str]]:
    """Photos of the mascot by its trigger word, and among them some of other individuals, by the class noun alone."""
    mascots, draws = standard_scenes(MASCOTS), random.Random(0)
    seen = (seen_scene(draws) for _ in count())
    others = list(islice((scene for scene in seen if shows_one_monster(scene)), OTHERS))
    captions = list(map(trigger_caption, [*mascots, *others]))
    return [*mascots, *others], captions[:MASCOTS] + [of_class(caption) for caption in captions[MASCOTS:]]


def of_class(caption: str) -> str:
    """The caption without the trigger word."""
    return caption.replace(exam.NAMED, exam.CLASS)


def shows_one_monster(scene: Scene) -> bool:
    """In a photo."""
    return scene.style == "photo" and [thing.kind for thing in scene.things] == [MONSTER]


def held_back_losses(run: RunDir) -> Losses:
    """On drawings of the mascot that are not among the photos."""
    device, config = default_device(), run.config()
    dtype, tokens = compute_dtype(None, device), run_tokens(config)
    scenes = standard_scenes(HELD_BACK, seed=1)
    pictures = [draw(scene, RESOLUTION, RESOLUTION) for scene in scenes]
    captions = list(map(trigger_caption, scenes))
    prompts = [replace_abstractions(caption, tokens) for caption in captions]

    base = load_base_pipeline(config.model, dtype, device)
    told_of_class = held_back.conditioning(base, list(map(of_class, captions)))
    pipeline: Any = load_run_pipeline(run, dtype, device)
    told = held_back.conditioning(pipeline, prompts)
    misled = Conditioning(told.prompt_embeds.roll(3, dims=0), told.pooled_prompt_embeds.roll(3, dims=0))
    with_lora = {
        "run": held_back.losses(pipeline, pictures, told),
        "misled": held_back.losses(pipeline, pictures, misled),
        "training": held_back.losses(pipeline, pictures, conditioning_in_training(run, captions)),
    }
    pipeline.unload_lora_weights()
    return Losses(
        base=held_back.losses(base, pictures, told_of_class),
        tokens=held_back.losses(pipeline, pictures, told),
        **with_lora,
    )


@torch.no_grad()
def conditioning_in_training(run: RunDir, captions: Sequence[str]) -> Conditioning:
    """Captions as the training loop encodes them with what the run has trained."""
    device, config = default_device(), run.config()
    models = load_models(config.model, compute_dtype(None, device), device)
    tokens = add_trainables(models, config)
    apply_weights(models, checkpoint_weights(run))
    return Conditioning(*PromptEncoder(models, tokens, config.text_encoder, None).encode(captions))
