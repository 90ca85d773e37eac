"""Class images for prior preservation: the ones at hand, and the missing ones made by the base model."""

from collections.abc import Iterator
from pathlib import Path

from curation.atomic import writing
from curation.dataset import photo_files
from engine.chance import draw_seed
from engine.config import TrainConfig
from engine.data.examples import Example
from engine.generate import sample_images
from engine.models import Models
from engine.rundir import RunDir


def class_examples(run: RunDir, config: TrainConfig) -> tuple[Example, ...]:
    """Up to num_class_images pictures, those of class_data_dir first, then the ones that this run generated."""
    prior = config.prior
    folders = [*([Path(prior.class_data_dir)] if prior.class_data_dir else []), run.class_images]
    paths = [path for folder in folders if folder.is_dir() for path in photo_files(folder)]
    caption = prior.class_prompt or ""
    return tuple(Example(path.name, path, caption) for path in paths[: prior.num_class_images])


def generate_class_images(run: RunDir, config: TrainConfig, models: Models) -> Iterator[tuple[int, int]]:
    """Make the missing class images with class_prompt, one at a time, into the run; yields (done, missing).

    models: without adapters, so that the pictures are the base model's.  class_data_dir is left as it is.
    """
    prior, sample = config.prior, config.sample
    have = len(class_examples(run, config))
    missing = prior.num_class_images - have
    for done in range(missing):
        number = have + done
        [image] = sample_images(
            models,
            [prior.class_prompt or ""],
            num_inference_steps=sample.num_inference_steps,
            guidance_scale=sample.guidance_scale,
            seed=draw_seed(config.run.seed, "class image", number),
            size=config.data.resolution,
        )
        with writing(run.class_images / f"{number:04d}.png") as temporary:
            image.save(temporary, format="PNG")
        yield done + 1, missing
