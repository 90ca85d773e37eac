"""Streams of samples for tests: the tiny VAE's posteriors and photos with an instance prompt."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from engine.config import TrainConfig, compose
from engine.data.examples import read_examples
from engine.data.latents import Posteriors
from engine.data.samples import Samples, photo_samples

RESOLUTION = 64


def tiny_vae(tiny_model: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(tiny_model, subfolder="vae", torch_dtype=torch.float32)


def in_memory(vae: AutoencoderKL) -> Posteriors:
    return Posteriors(lambda: vae, "tiny", torch.float32, None, print)


def config_of(photos: Path, seed: int = 0, batch_size: int = 1, **sections: Mapping[str, Any]) -> TrainConfig:
    flags: dict[str, dict[str, Any]] = {
        "data": {"instance_data_dir": str(photos), "resolution": RESOLUTION},
        "concept": {"instance_prompt": "a photo of TOK"},
        "run": {"seed": seed, "train_batch_size": batch_size},
    }
    for name, values in sections.items():
        flags.setdefault(name, {}).update(values)
    return compose(flags=flags).config


def samples_of(photos: Path, posteriors: Posteriors, seed: int = 0, batch_size: int = 1, **data: Any) -> Samples:
    """The stream of the folder's photos, with settings of the data section."""
    config = config_of(photos, seed, batch_size, data=data)
    return photo_samples(read_examples(config), config, posteriors)


def index_of(samples: Samples, name: str) -> int:
    return next(index for index, example in enumerate(samples.examples) if example.name == name)
