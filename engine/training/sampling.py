"""Sample pictures of a run: the same prompts and seeds at every step, so that they compare."""

from collections.abc import Iterator
from pathlib import Path

from curation.atomic import writing
from engine.config import TrainConfig
from engine.models.load import Models
from engine.models.low_memory import on_device
from engine.results.generate import sample_images
from engine.text.abstractions import replace_abstractions, run_tokens
from engine.text.sample_prompts import sample_prompts


def write_samples(models: Models, config: TrainConfig, folder: Path, step: int) -> Iterator[tuple[Path, str]]:
    """Write num_validation_images pictures of each prompt to `folder`; yields each file with its prompt.

    models: with their adapters and new tokens; they, their modes and the random state stay as they are.  Each prompt's
    first picture comes from validation_seed, or else the run's seed.
    """
    sample, tokens = config.sample, run_tokens(config)
    seed = config.run.seed if sample.validation_seed is None else sample.validation_seed
    number = 0
    for prompt in sample_prompts(config):
        with on_device(models, "vae", "text_encoder", "text_encoder_2"):
            images = sample_images(
                models,
                [replace_abstractions(prompt, tokens)] * sample.num_validation_images,
                num_inference_steps=sample.num_inference_steps,
                guidance_scale=sample.guidance_scale,
                seed=seed,
                size=config.data.resolution,
                text_encoder=config.text_encoder,
            )
        for image in images:
            path = folder / f"{step:06d}-{number}.png"
            with writing(path) as temporary:
                image.save(temporary, format="PNG")
            yield path, prompt
            number += 1
