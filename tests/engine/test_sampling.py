"""Sample pictures: the same prompts and seeds at every step, and nothing of the run is touched by them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engine.config import TrainConfig
from engine.events import Event, Sample
from engine.models.load import Models
from engine.rundir import create_run
from engine.training.sampling import write_samples
from engine.training.trainer import Trainer
from tests.engine.training import Train, frozen_of, lora_of, of_type, pause_after, rows_of, trainer_of

PROMPTS = {
    "validation_prompt": "TOK, asleep",
    "validation_prompts": ["TOK in the snow", "a photo of TOK"],
    "num_validation_images": 2,
}


@pytest.fixture
def trainer(config: Callable[..., TrainConfig], tmp_path: Path) -> Trainer:
    settings = config(sample=PROMPTS)
    return trainer_of(create_run(tmp_path, "run", settings), settings)


def test_each_prompt_gets_its_pictures_from_the_same_seeds(trainer: Trainer, tmp_path: Path) -> None:
    first, again = (list(write_samples(trainer.models, trainer.config, tmp_path / name, 5)) for name in ("a", "b"))
    assert [(path.name, prompt) for path, prompt in first] == [
        ("000005-0.png", "TOK, asleep"),
        ("000005-1.png", "TOK, asleep"),
        ("000005-2.png", "TOK in the snow"),
        ("000005-3.png", "TOK in the snow"),
        ("000005-4.png", "a photo of TOK"),
        ("000005-5.png", "a photo of TOK"),
    ]
    pictures = [path.read_bytes() for path, _ in first]
    assert pictures == [path.read_bytes() for path, _ in again]
    assert len(set(pictures)) == 6

    seeded = trainer.config.sample.model_copy(update={"validation_seed": trainer.config.run.seed + 1})
    config = trainer.config.model_copy(update={"sample": seeded})
    [(path, _), *_] = write_samples(trainer.models, config, tmp_path / "c", 5)
    assert path.read_bytes() == pictures[1], "the second picture's seed is the first one's, plus one"


def test_trigger_words_are_drawn_as_their_new_tokens(trainer: Trainer, tmp_path: Path) -> None:
    [(shown, _), *_] = write_samples(trainer.models, trainer.config, tmp_path / "a", 1)
    before = np.asarray(Image.open(shown))
    for rows, _ in trainer.new_rows:
        rows.data.mul_(30)
    [(shown, _), *_] = write_samples(trainer.models, trainer.config, tmp_path / "b", 1)
    assert not np.array_equal(before, np.asarray(Image.open(shown)))


def modes(models: Models) -> list[bool]:
    parts: list[nn.Module] = [models.unet, models.vae, models.text_encoder, models.text_encoder_2]
    return [module.training for part in parts for module in part.modules()]


@pytest.mark.parametrize("fails", [False, True])
def test_weights_modes_and_random_state_stay_as_they_are_also_when_it_fails(
    trainer: Trainer, tmp_path: Path, fails: bool
) -> None:
    trainer.enter("training")

    def state() -> tuple[Any, ...]:
        models = trainer.models
        return frozen_of(models), lora_of(models.unet), rows_of(models), modes(models), torch.get_rng_state().tolist()

    before = state()
    assert any(before[3])
    if fails:
        trainer.models.vae.decoder.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            next(write_samples(trainer.models, trainer.config, tmp_path, 1))
    else:
        next(write_samples(trainer.models, trainer.config, tmp_path, 1))
    assert state() == before


def test_pictures_of_long_prompts_are_read_in_chunks_as_captions_are(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """What stands beyond the 77th token shows only where captions are read in chunks."""
    long = "TOK " + "dog " * 80
    differ = {}
    for chunked in (False, True):
        settings = config(
            sample={"num_validation_images": 1, "validation_prompt": long, "validation_prompts": [f"{long} red car"]},
            text_encoder={"chunk_captions": chunked},
        )
        trainer = trainer_of(create_run(tmp_path, f"run-{chunked}", settings), settings)
        one, other = (path.read_bytes() for path, _ in write_samples(trainer.models, settings, tmp_path / "x", chunked))
        differ[chunked] = one != other
    assert differ == {False: False, True: True}


def test_the_run_tells_each_picture_with_its_prompt(train: Train) -> None:
    told: list[Event]
    _, told = train("run", sample={**PROMPTS, "num_validation_images": 1}, run={"max_train_steps": 1})
    assert [(event.path, event.prompt) for event in of_type(told, Sample)] == [
        ("samples/000001-0.png", "TOK, asleep"),
        ("samples/000001-1.png", "TOK in the snow"),
        ("samples/000001-2.png", "a photo of TOK"),
    ]


@pytest.mark.parametrize("step", [2, 4])
def test_pictures_that_a_kill_after_the_checkpoint_prevented_are_made_up_for(
    train: Train, tmp_path: Path, step: int
) -> None:
    settings = {"sample": {"num_validation_images": 1, "validation_steps": 2}, "run": {"checkpointing_steps": 2}}
    train("run", pause_after(step), **settings)
    picture = tmp_path / "runs" / "run" / "samples" / f"{step:06d}-0.png"
    content = picture.read_bytes()
    picture.unlink()
    train("run", **settings)
    assert picture.read_bytes() == content
