"""Short runs on the tiny model, and how tests look into them."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from engine.class_images import class_examples
from engine.config import TrainConfig, compose
from engine.data.examples import read_examples
from engine.data.latents import Posteriors
from engine.data.samples import class_image_samples, photo_samples
from engine.events import Event, Step
from engine.models.load import Models, compute_dtype, load_models
from engine.plan import plan, resolve
from engine.rundir import RunDir, create_run
from engine.text.tokens import placeholder_rows
from engine.training.checkpoints import load_checkpoint
from engine.training.manifest import newest_checkpoint
from engine.training.trainer import Emit, Trainer
from engine.training.weights import TrainedWeights

STEPS, PIVOT = 4, 2
OPTIMIZERS = ["adamw", "prodigy", "adafactor"]
Flags = Mapping[str, Mapping[str, Any]]
Train = Callable[..., tuple[Trainer, list[Event]]]
T = TypeVar("T", bound=Event)


def nothing(_event: Event) -> None:
    """Look at no event."""


def short_config(photos: Path, model: Path, **sections: Mapping[str, Any]) -> TrainConfig:
    """A short run on four photos; sections given are laid over it."""
    flags: dict[str, dict[str, Any]] = {
        "data": {"instance_data_dir": str(photos), "resolution": 64, "random_flip": True},
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": str(model)},
        "lora": {"rank": 4, "lora_dropout": 0.1},
        "run": {"max_train_steps": STEPS, "checkpointing_steps": 1000},
        "sample": {"num_validation_images": 0, "num_inference_steps": 2, "validation_prompt": "TOK, asleep"},
    }
    for name, values in sections.items():
        flags.setdefault(name, {}).update(values)
    return resolve(compose(flags=flags).config)


def train_in(folder: Path, settings: TrainConfig, seen: Callable[[RunDir, Event], None] | None = None):
    """Train the run in `folder`, going on from its newest checkpoint; returns the trainer and its events."""
    run = RunDir(folder) if folder.exists() else create_run(folder.parent, folder.name, settings)
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if seen:
            seen(run, event)

    trainer = trainer_of(run, settings, emit)
    trainer.train()
    return trainer, events


def trainer_of(
    run: RunDir,
    config: TrainConfig,
    emit: Emit = nothing,
    clock: Callable[[], float] = time.monotonic,
    start: TrainedWeights | None = None,
) -> Trainer:
    device = torch.device("cpu")
    models = load_models(config.model, compute_dtype(config.run.mixed_precision, device), device)
    examples = read_examples(config)
    posteriors = Posteriors(lambda: models.vae, "", models.vae.dtype, None, print)
    photos = photo_samples(examples, config, posteriors)
    class_images = None
    if config.prior.with_prior_preservation and config.prior.prior_target == "class_images":
        class_images = class_image_samples(class_examples(run, config), config, posteriors)
    folder, _ = newest_checkpoint(run)
    checkpoint = load_checkpoint(folder) if folder else None
    return Trainer(
        run, config, plan(config, len(examples)), models, photos, class_images, emit, checkpoint, clock, start
    )


def pause_after(*steps: int) -> Callable[[RunDir, Event], None]:
    def pause(run: RunDir, event: Event) -> None:
        if isinstance(event, Step) and event.step in steps:
            run.request("pause")

    return pause


def rows_of(models: Models) -> bytes:
    encoders = (models.text_encoder, models.text_encoder_2)
    rows = [placeholder_rows(encoder) for encoder in encoders]
    return b"".join(parameter.detach().numpy().tobytes() for parameter in rows if parameter is not None)


def lora_of(module: nn.Module) -> bytes:
    parameters = [parameter for name, parameter in module.named_parameters() if ".lora_" in name]
    return b"".join(parameter.detach().numpy().tobytes() for parameter in parameters)


def frozen_of(models: Models) -> dict[str, str]:
    """Digests of every tensor that is neither LoRA nor a new token's row."""
    return {
        f"{part}.{name.replace('.base_layer', '')}": hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()
        for part in ("unet", "vae", "text_encoder", "text_encoder_2")
        for name, tensor in getattr(models, part).named_parameters()
        if ".lora_" not in name and not name.endswith("rows")
    }


def last_files(run: RunDir) -> dict[str, bytes]:
    """The bytes of the last checkpoint's weights and optimizer."""
    folder, _ = newest_checkpoint(run)
    assert folder
    return {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}


def of_type(events: list[Event], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]
