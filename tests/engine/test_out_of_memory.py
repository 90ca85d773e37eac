"""A full GPU: ridden out with smaller micro-batches, or told with what would fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Event, MicroBatchHalved, Phase, Step
from engine.memory import estimate
from engine.plan import resolve
from engine.recipe import follow
from engine.rundir import create_run
from engine.training.out_of_memory import gpu_is_full, options
from tests.engine.training import of_type, trainer_of

BATCH = {"train_batch_size": 4, "gradient_accumulation_steps": 2, "max_train_steps": 3}


def holds_at_most(photos: int) -> Callable[[nn.Module, Any], None]:
    """A hook of a UNet on a GPU that has room for so many photos."""

    def hook(_module: nn.Module, arguments: Any) -> None:
        if len(arguments[0]) > photos:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return hook


def test_a_full_gpu_gets_smaller_micro_batches_of_the_same_samples(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    optimizer = {"optimizer": "adamw", "learning_rate": 0.01}
    settings = config(run=BATCH, lora={"lora_dropout": 0.0}, optimizer=optimizer)
    whole = trainer_of(create_run(tmp_path, "whole", settings), settings)
    whole.train()
    events: list[Event] = []
    trainer = trainer_of(create_run(tmp_path, "halved", settings), settings, events.append)
    trainer.models.unet.register_forward_pre_hook(holds_at_most(1))
    trainer.train()
    assert [
        (event.step, event.micro_batch, event.gradient_accumulation_steps)
        for event in of_type(events, MicroBatchHalved)
    ] == [
        (0, 2, 4),
        (0, 1, 8),
    ]
    assert [step.step for step in of_type(events, Step)] == [1, 2, 3]
    # In the whole: where a gradient is all but zero, AdamW's first step follows its sign, which rounding decides.
    for ours, theirs in zip(trainer.groups, whole.groups, strict=True):
        for halved, expected in zip(ours.tensors, theirs.tensors, strict=True):
            assert (halved - expected).norm() < 1e-3 * expected.norm()


def test_a_batch_that_halves_do_not_divide_goes_to_the_next_size_that_does(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(run={"train_batch_size": 9, "max_train_steps": 1})
    events: list[Event] = []
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings, events.append)
    trainer.models.unet.register_forward_pre_hook(holds_at_most(4))
    trainer.train()
    [halved] = of_type(events, MicroBatchHalved)
    assert (halved.micro_batch, halved.gradient_accumulation_steps) == (3, 3)


def test_a_full_gpu_outside_of_the_steps_is_told_with_the_options_too(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    def fill(event: Event) -> None:
        if isinstance(event, Phase) and event.phase == "caching":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(EngineError, match=r"The GPU ran out of memory\. .* gradient_checkpointing = true"):
        follow(create_run(tmp_path, "run", config()), fill)


def test_a_micro_batch_that_did_not_fit_is_not_named_as_an_option(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(run=BATCH)
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings)
    trainer.models.unet.register_forward_pre_hook(holds_at_most(0))
    with pytest.raises(EngineError) as caught:
        trainer.train()
    assert "train_batch_size" not in caught.value.remedy
    assert "gradient_checkpointing = true" in caught.value.remedy


def test_without_a_retry_three_options_are_named_with_their_cost(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(run={**BATCH, "oom_retry": False})
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings)
    trainer.models.unet.register_forward_pre_hook(holds_at_most(3))
    with pytest.raises(EngineError) as caught:
        trainer.train()
    assert caught.value.problem == "The GPU ran out of memory."
    assert caught.value.remedy == (
        "Start a new run with one of these: "
        "train_batch_size = 2 with gradient_accumulation_steps = 4 (as many photos in a step, a little slower); "
        "gradient_checkpointing = true (the same result, steps take 1.3 to 1.8 times as long); "
        "low_memory = true (slower, and the base model in 8 bits is a little less exact)."
    )


@pytest.mark.slow
def test_only_options_that_fit_are_named(
    config: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where counts are kept
    settings = config(run={"train_batch_size": 4})
    taken = {
        str(option): estimate(resolve(changed(settings, option.settings))).total
        for option in list(options(settings))[:3]
    }
    least = min(taken, key=lambda option: taken[option])
    assert gpu_is_full(settings, min(taken.values())).remedy == f"Start a new run with one of these: {least}."
    assert "take a GPU with more memory" in gpu_is_full(settings, 1).remedy


def changed(config: TrainConfig, settings: Any) -> TrainConfig:
    return config.model_copy(
        update={name: getattr(config, name).model_copy(update=dict(values)) for name, values in settings.items()}
    )


def test_a_run_that_is_as_small_as_can_be_is_told_so(config: Callable[..., TrainConfig]) -> None:
    settings = config(run={"low_memory": True})
    assert not list(options(settings))
    assert gpu_is_full(settings, None).remedy == "No option makes this run fit: take a GPU with more memory."
