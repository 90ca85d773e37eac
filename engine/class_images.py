"""Class images for prior preservation: the real ones at hand, and the missing ones made by the base model."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Literal

from curation.atomic import writing
from curation.dataset import photo_files
from engine.chance import draw_seed
from engine.config import TrainConfig
from engine.data.examples import Example, real_class_images, uses_class_images
from engine.models.load import Models
from engine.results.generate import sample_images
from engine.rundir import RunDir

Origin = Literal["real", "generated"]


def class_examples(run: RunDir, config: TrainConfig) -> tuple[Example, ...]:
    """Up to num_class_images pictures, the real ones first, then those that this run generated.

    None without prior preservation, and with prior_target = "base_model".  Raises as `real_class_images` does.
    """
    prior = config.prior
    if not uses_class_images(prior):
        return ()
    generated = photo_files(run.class_images) if run.class_images.is_dir() else []
    paths = [*real_class_images(prior), *generated]
    return tuple(Example(path.name, path, prior.class_prompt or "") for path in paths[: prior.num_class_images])


def count_by_origin(run: RunDir, class_images: Sequence[Example]) -> dict[Origin, int]:
    """How many of the class images are real, and how many the base model generated for the run."""
    generated = sum(example.path.is_relative_to(run.class_images) for example in class_images)
    return {"real": len(class_images) - generated, "generated": generated}


def generate_class_images(run: RunDir, config: TrainConfig, models: Models) -> Iterator[tuple[int, int]]:
    """Make the missing class images with class_prompt, one at a time, into the run; yields (done, missing).

    models: without adapters, so that the pictures are the base model's.  Folders of real ones are left as they are.
    """
    prior, sample = config.prior, config.sample
    if not uses_class_images(prior):
        return
    have = len(class_examples(run, config))
    missing = prior.num_class_images - have
    free = (number for number in count(have) if not _generated(run, number).exists())
    for done, number in zip(range(missing), free, strict=False):
        [image] = sample_images(
            models,
            [prior.class_prompt or ""],
            num_inference_steps=sample.num_inference_steps,
            guidance_scale=sample.guidance_scale,
            seed=draw_seed(config.run.seed, "class image", number),
            size=config.data.resolution,
            text_encoder=config.text_encoder,
        )
        with writing(_generated(run, number)) as temporary:
            image.save(temporary, format="PNG")
        yield done + 1, missing


def _generated(run: RunDir, number: int) -> Path:
    return run.class_images / f"{number:04d}.png"
