"""Whether a run learns: proven on a fixed grid of noise and timesteps, and told where nothing moves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from engine.config import TrainConfig
from engine.events import Warned
from engine.rundir import create_run
from engine.training.learning import STEPS_TO_MOVE, not_learning
from engine.training.step import training_loss
from engine.training.trainer import Trainer
from tests.engine.training import Train, frozen_of, lora_of, of_type, trainer_of

LEARNING: Mapping[str, Mapping[str, Any]] = {
    "run": {"max_train_steps": 60, "train_batch_size": 2},
    "optimizer": {"optimizer": "adamw", "learning_rate": 0.1},
    "text_encoder": {"text_encoder_lr": 0.1, "train_text_encoder_ti_frac": 1.0},  # or nothing of the frozen one trains
}


@torch.no_grad()
def loss_on_the_grid(trainer: Trainer, config: TrainConfig) -> float:
    """On samples that training never reaches: 16 photos with their noise and timesteps, the same each time."""
    trainer.models.unet.eval()
    grid = trainer.batches.batch(1_000_000, 16)
    return training_loss(trainer.models, grid, *trainer.prompts.encode(grid.captions), config).total.item()


@pytest.mark.slow
def test_training_lowers_the_loss_on_fixed_noise_and_timesteps_below_that_of_a_run_whose_lora_is_frozen(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """The frozen run still trains its new tokens, which alone lower the loss by less."""
    settings = config(**LEARNING)
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings)
    frozen = trainer_of(create_run(tmp_path, "frozen", settings), settings)
    frozen.groups[0].freeze()
    untrained, base, lora = loss_on_the_grid(trainer, settings), frozen_of(trainer.models), lora_of(frozen.models.unet)
    trainer.train()
    frozen.train()
    assert lora_of(frozen.models.unet) == lora
    # Measured: 0.9979 untrained, 0.9976 with the new tokens alone, 0.9553 with LoRA, which can do little amid random
    # weights.
    learned, with_tokens_alone = loss_on_the_grid(trainer, settings), loss_on_the_grid(frozen, settings)
    assert learned < 0.98 * untrained
    assert learned < 0.98 * with_tokens_alone
    assert frozen_of(trainer.models) == base


@pytest.fixture
def black_masks(photos: Path, tmp_path: Path) -> dict[str, Mapping[str, Any]]:
    """Settings of a run that is told to learn from nothing."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for photo in photos.glob("*.png"):
        with Image.open(photo) as picture:
            Image.new("L", picture.size).save(folder / photo.name)
    return {"data": {"mask_dir": str(folder)}, "loss": {"masked_loss": True, "unmasked_weight": 0.0}}


@pytest.mark.parametrize("optimizer", ["adamw", "prodigy", "adafactor"])
def test_lora_that_no_gradient_reaches_is_told(
    train: Train, black_masks: Mapping[str, Mapping[str, Any]], optimizer: str
) -> None:
    trainer, _ = train("run", optimizer={"optimizer": optimizer}, **black_masks)
    problem = not_learning(trainer.models.unet, trainer.optimizer)
    assert problem and problem.startswith("every LoRA B is still zero")


def test_an_estimate_of_prodigy_that_does_not_grow_is_told(train: Train) -> None:
    trainer, _ = train("run", optimizer={"prodigy_d_coef": 1e-12})
    problem = not_learning(trainer.models.unet, trainer.optimizer)
    assert problem and problem.startswith("Prodigy's estimate is still at its start, 1e-06.")


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_a_run_that_learns_is_not_warned_of(train: Train, optimizer: str) -> None:
    trainer, _ = train("run", optimizer={"optimizer": optimizer})
    assert not_learning(trainer.models.unet, trainer.optimizer) is None


@pytest.mark.slow
def test_a_run_of_prodigy_that_learns_is_not_warned_of(train: Train) -> None:
    _, events = train("run", run={"max_train_steps": STEPS_TO_MOVE})
    assert not of_type(events, Warned)


@pytest.mark.slow
def test_a_run_says_so_once_when_it_should_have_moved(
    train: Train, black_masks: Mapping[str, Mapping[str, Any]]
) -> None:
    _, events = train("run", run={"max_train_steps": STEPS_TO_MOVE + 2}, **black_masks)
    [warning] = of_type(events, Warned)
    assert warning.message.startswith(f"Nothing is learned after {STEPS_TO_MOVE} steps: every LoRA B is still zero")
