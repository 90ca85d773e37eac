"""GPU memory is counted without a GPU: as an allocator hands it out, and quickly the second time."""

from typing import Any

import pytest
import torch

from benchmarks.memory import VARIANTS, asked, counted, measured
from engine.config import TrainConfig, compose
from engine.memory import estimate, question
from engine.memory.count import count
from engine.plan import resolve
from engine.preflight.space import lora_parameters

CPU = torch.device("cpu")


def config(**tables: dict[str, Any]) -> TrainConfig:
    tables.setdefault("data", {"resolution": 64})
    return resolve(compose(flags={"model": {"pretrained_model_name_or_path": "tiny"}, **tables}).config)


@pytest.mark.parametrize("variant", ["as it is", "gradient checkpointing", "DoRA"])
def test_a_step_is_counted_as_the_allocator_sees_it(variant: str) -> None:
    settings = asked("tiny", 256, CPU, **VARIANTS[variant])
    assert counted(settings) == pytest.approx(measured(settings, CPU), rel=0.05)


def test_what_saves_memory_is_seen_to_save_it() -> None:
    plain = count(config())
    adamw = count(config(optimizer={"optimizer": "adamw"}))
    eight_bits = count(config(optimizer={"optimizer": "adamw", "use_8bit_adam": True}))
    assert plain.optimizer == 2 * adamw.optimizer == 8 * eight_bits.optimizer
    assert count(config(optimizer={"optimizer": "adafactor"})).optimizer < eight_bits.optimizer
    small = count(config(run={"low_memory": True, "train_batch_size": 2}))
    assert small.step < plain.step and small.unet < plain.unet
    assert count(config(model={"pretrained_model_name_or_path": "tiny", "quantize": "nf4"})).unet < small.unet
    assert plain.trained == 2 * 4 * plain.trained_parameters


def test_text_encoders_that_do_not_train_leave_the_gpu() -> None:
    frozen = count(config(text_encoder={"train_text_encoder_ti": False}))
    training = count(config())
    gone = training.phases["training"] - frozen.phases["training"]
    assert gone > training.text_encoders
    assert frozen.phases["caching latents"] == training.phases["caching latents"]


def test_without_samples_there_is_no_sampling() -> None:
    assert "sampling" not in count(config(sample={"num_validation_images": 0})).phases


def test_a_count_is_kept_by_the_settings_that_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first = estimate(config())
    assert estimate(config(run={"seed": 3}, concept={"instance_prompt": "a TOK"})) == first
    assert question(config()) != question(config(run={"train_batch_size": 2}))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.executable", "/nothing/to/run")
    assert estimate(config()) == first  # no process was started


def test_a_step_with_prior_samples_counts_them_wherever_their_target_comes_from() -> None:
    prior = {"with_prior_preservation": True, "class_prompt": "a dog"}
    plain, images = count(config()), count(config(prior=prior))
    assert images.step > 1.5 * plain.step
    assert count(config(prior={**prior, "prior_target": "base_model"})).step == images.step


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [None, ["up_blocks.0.attentions.1", "down_blocks.1"]])
@pytest.mark.parametrize("train_text_encoder", [False, True])
def test_what_is_reckoned_for_the_disk_is_what_is_counted(blocks: list[str] | None, train_text_encoder: bool) -> None:
    settings = config(
        model={"pretrained_model_name_or_path": "sdxl"},
        lora={"rank": 4, "lora_unet_blocks": blocks, "lora_layers": "attention_and_feed_forward"},
        text_encoder={"train_text_encoder": train_text_encoder, "train_text_encoder_ti": False},
    )
    assert lora_parameters(settings) == count(settings).trained_parameters


@pytest.mark.slow
def test_sdxl_is_counted_at_its_size() -> None:
    full = count(config(model={"pretrained_model_name_or_path": "sdxl"}, data={"resolution": 1024}, lora={"rank": 32}))
    assert full.unet == 2 * 2_567_463_684  # bf16
    # rank 32 on 560 attention layers, and two new tokens of 768 and 1,280 numbers
    assert full.trained_parameters == 46_448_640 + 2 * (768 + 1280)
