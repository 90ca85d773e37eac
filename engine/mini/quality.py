"""How well a model paints what it is asked for, as the judge sees it: scenes of pre-training, and held-out ones.

`python -m engine.mini.quality [--model mini|FOLDER] [--prompts N] [--json]` prints the report.  Prompts name one object
each, since the judge knows of no second, and say everything that there is to say.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from scipy.stats import binomtest

from engine.errors import EngineError
from engine.mini.drawing import draw
from engine.mini.judge import Judgement, at_least_one, facts, load_judge, single_object_scene
from engine.mini.world import (
    MONSTER,
    RESOLUTION,
    SHAPES,
    Scene,
    caption,
    held_out,
    random_scene,
    seen_scene,
    unseen_colour,
    unseen_place,
    unseen_style,
)
from engine.models.load import compute_dtype, default_device, silence_libraries
from engine.results.generate import load_base_pipeline
from engine.settings import ModelSection

BATCH = 32
SEEN, HELD_OUT = "seen", "held-out"
DRAWN, THROUGH_VAE = "drawn", "through the VAE"
COLUMNS = (SEEN, HELD_OUT, DRAWN, THROUGH_VAE)
PAIRS = ("colour and shape", "style and shape", "background and place")
AIMS = {
    "colour": (0.95, 0.85),
    "place": (0.95, 0.85),
    "background": (0.95, 0.85),
    "shape": (0.90, 0.75),
    "style": (0.90, 0.75),
}
"""The shares of right pictures to reach, of seen and of held-out combinations."""
ROWS = (*AIMS, MONSTER, "size", "texture", "ears", "eyes")


@dataclass(frozen=True)
class Count:
    """How many pictures are right, of how many."""

    right: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1, or NaN where there is none."""
        return self.right / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies at 95 % confidence (Wilson's score interval)."""
        if not self.of:
            return 0.0, 1.0
        low, high = binomtest(self.right, self.of).proportion_ci(0.95, "wilson")
        return float(low), float(high)


@dataclass(frozen=True)
class Trial:
    """A scene that was asked for, and what the judge saw."""

    scene: Scene
    judgement: Judgement

    def right(self, aspect: str) -> bool:
        """Whether the judge saw what was asked for."""
        return self.judgement.most_likely(aspect) == facts(self.scene)[aspect]


@dataclass(frozen=True)
class Quality:
    """The trials of each of COLUMNS: of what the model painted, and of drawings of the same scenes."""

    trials: Mapping[str, tuple[Trial, ...]]

    def count(self, row: str, column: str) -> Count:
        """One of ROWS in one of COLUMNS."""
        return count(self.trials[column], row)

    def count_unseen(self, row: str, pair: str) -> Count:
        """One of ROWS, among what was painted of scenes with an unseen pair of this kind, one of PAIRS."""
        return count([trial for trial in self.trials[HELD_OUT] if pair in unseen_pairs(trial.scene)], row)

    def short_of_aims(self) -> list[str]:
        """Where AIMS are missed, as "shape, held-out"."""
        return [
            f"{row}, {column}"
            for row, aims in AIMS.items()
            for column, aim in zip((SEEN, HELD_OUT), aims, strict=True)
            if self.count(row, column).share < aim
        ]


def count(trials: Sequence[Trial], row: str) -> Count:
    """The right answers among the trials whose prompt asks for what the row is about."""
    aspect = "shape" if row == MONSTER else row
    answers = [trial.right(aspect) for trial in trials if _asked(trial.scene, row)]
    return Count(sum(answers), len(answers))


def _asked(scene: Scene, row: str) -> bool:
    """Whether the prompt names it. A medium size and a plain texture are never said; a shape is no monster."""
    (thing,) = scene.things
    if row == "size":
        return thing.size != "medium"
    if row == "texture":
        return thing.texture != "plain"
    if row == "shape":
        return thing.kind in SHAPES
    return thing.kind == MONSTER if row in (MONSTER, "ears", "eyes") else True


def unseen_pairs(scene: Scene) -> list[str]:
    """Which of PAIRS the scene holds that pre-training never sees."""
    (thing,) = scene.things
    unseen = (
        unseen_colour(thing.kind, thing.colour),
        unseen_style(thing.kind, scene.style),
        unseen_place(scene.background, thing.place),
    )
    return [pair for pair, is_unseen in zip(PAIRS, unseen, strict=True) if is_unseen]


def measure(
    pipeline: StableDiffusionXLPipeline,
    prompts: int,
    *,
    num_inference_steps: int = 25,
    guidance_scale: float = 4.0,
    seed: int = 0,
) -> Quality:
    """Have the model paint `prompts` scenes of seen combinations and as many of held-out ones, and judge the pictures.

    The same scenes and the same noise for a seed, whatever the model.  Drawings of the same scenes are judged beside
    them, as they are and as the VAE gives them back: what a perfect UNet would reach.
    """
    draws = random.Random(seed)
    seen = [single_object_scene(draws, seen_scene) for _ in range(prompts)]
    unseen = [single_object_scene(draws, held_out_scene) for _ in range(prompts)]
    scenes = [*seen, *unseen]
    painted = paint(
        pipeline,
        [caption(scene) for scene in scenes],
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        seed=seed,
    )
    drawings = [draw(scene, RESOLUTION, RESOLUTION) for scene in scenes]
    trials = _judged(scenes, painted)
    return Quality(
        {
            SEEN: trials[:prompts],
            HELD_OUT: trials[prompts:],
            DRAWN: _judged(scenes, drawings),
            THROUGH_VAE: _judged(scenes, through_vae(pipeline, drawings)),
        }
    )


def held_out_scene(draws: random.Random) -> Scene:
    """A scene with a pair that pre-training never sees."""
    return next(scene for scene in iter(lambda: random_scene(draws), None) if held_out(scene))


def _judged(scenes: Sequence[Scene], pictures: Sequence[Image.Image]) -> tuple[Trial, ...]:
    return tuple(map(Trial, scenes, load_judge().judge(pictures)))


def paint(
    pipeline: StableDiffusionXLPipeline,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
) -> list[Image.Image]:
    """One picture of 64 pixels a side for each prompt, in batches; each has noise of its own, whatever the batch."""
    pipeline.set_progress_bar_config(disable=True)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH):
        batch = list(prompts[start : start + BATCH])
        result: Any = pipeline(
            prompt=batch,
            height=RESOLUTION,
            width=RESOLUTION,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            generator=[torch.Generator().manual_seed(seed + start + index) for index in range(len(batch))],
        )
        pictures += result.images
    return pictures


@torch.no_grad()
def through_vae(pipeline: StableDiffusionXLPipeline, pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """The pictures encoded and decoded again."""
    vae: Any = pipeline.vae
    decoded: list[Image.Image] = []
    for start in range(0, len(pictures), BATCH):
        pixels: Any = pipeline.image_processor.preprocess(list(pictures[start : start + BATCH]))
        latents = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()
        images: Any = pipeline.image_processor.postprocess(vae.decode(latents).sample.float(), output_type="pil")
        decoded += images
    return decoded


def table(quality: Quality) -> str:
    """The report as people read it."""
    lines = [_line("right, with its 95 % interval", "aim", COLUMNS)]
    for row in ROWS:
        aim = "/".join(f"{share:.0%}" for share in AIMS.get(row, ()))
        lines.append(_line(row, aim, [_cell(quality.count(row, column)) for column in COLUMNS]))
    lines += ["", _line("held-out, by the pair that is new", "", PAIRS)]
    lines += [_line(row, "", [_cell(quality.count_unseen(row, pair)) for pair in PAIRS]) for row in AIMS]
    short = quality.short_of_aims()
    return "\n".join([*lines, "", f"Short of the aim: {'; '.join(short)}." if short else "Every aim is reached."])


def _line(name: str, aim: str, cells: Sequence[str]) -> str:
    return f"{name:<34}{aim:<9}" + "".join(f"{cell:<27}" for cell in cells).rstrip()


def _cell(count: Count) -> str:
    if not count.of:
        return "-"
    low, high = count.interval
    return f"{count.right}/{count.of} = {count.share:.1%} ({100 * low:.0f}-{100 * high:.0f})"


def as_json(quality: Quality) -> dict[str, Any]:
    """The report as programs read it."""
    return {
        "accuracy": {row: {column: _numbers(quality.count(row, column)) for column in COLUMNS} for row in ROWS},
        "held_out": {row: {pair: _numbers(quality.count_unseen(row, pair)) for pair in PAIRS} for row in AIMS},
        "aims": AIMS,
        "short_of_aims": quality.short_of_aims(),
    }


def _numbers(count: Count) -> Mapping[str, Any]:
    return {"right": count.right, "of": count.of, "interval": count.interval}


def main() -> None:
    """Measures how well a model paints the small world."""
    parser = argparse.ArgumentParser(prog="python -m engine.mini.quality", description=main.__doc__)
    parser.add_argument("--model", default="mini", help="mini, or a diffusers folder")
    parser.add_argument("--prompts", type=at_least_one, default=240, help="of seen combinations, and of held-out")
    parser.add_argument("--steps", type=at_least_one, default=25, help="of the sampler")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    silence_libraries()
    device = default_device()
    try:
        model = ModelSection(pretrained_model_name_or_path=arguments.model)
        pipeline = load_base_pipeline(model, compute_dtype(None, device), device)
        quality = measure(
            pipeline, arguments.prompts, num_inference_steps=arguments.steps, guidance_scale=arguments.guidance
        )
    except EngineError as error:
        parser.error(str(error))
    print(json.dumps(as_json(quality), indent=1) if arguments.json else table(quality))  # noqa: T201


if __name__ == "__main__":
    main()
