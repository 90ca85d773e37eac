"""Settings that cannot all hold are named together; those that change nothing are named with the reason."""

import json
from importlib import resources
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from engine.config import TrainConfig, compose
from engine.contradictions import against_the_plan, beyond_the_plan, contradictions, idle_settings, odd_rates
from engine.defaults import ATTENTION_BLOCKS
from engine.errors import SeveralProblems
from engine.plan import plan, resolve


def config(**tables: dict[str, Any]) -> TrainConfig:
    return compose(flags=tables).config


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"text_encoder": {"train_text_encoder": True, "train_text_encoder_ti": True}}, ["_ti are both on", "Keep"]),
        ({"text_encoder": {"text_encoder_lr": 3e-4}}, ["Prodigy takes one rate", "0.0003", "Set both to 1.0"]),
        ({"optimizer": {"use_8bit_adam": True}}, ["use_8bit_adam", "prodigy", "'adamw'"]),
        ({"lora": {"use_blora": True, "lora_unet_blocks": ["mid_block"]}}, ["use_blora", "mid_block"]),
        ({"lora": {"lora_unet_blocks": []}}, ["no block"]),
        ({"lora": {"lora_unet_blocks": ["mid_block", "up_blocks.9"]}}, ["has no up_blocks.9", "up_blocks.0.attent"]),
        ({"model": {"rescale_betas_zero_snr": True, "prediction_type": "epsilon"}}, ["epsilon", "v_prediction"]),
        ({"model": {"rescale_betas_zero_snr": True}, "loss": {"noise_offset": 0.1}}, ["noise_offset"]),
        (
            {"model": {"pretrained_model_name_or_path": "mini"}, "data": {"resolution": 1024}},
            ["mini model paints at 64 px", "1024", "resolution = 64"],
        ),
        ({"prior": {"with_prior_preservation": True}}, ["class_prompt"]),
        ({"data": {"instance_data_dir": "a", "dataset_name": "b"}}, ["instance_data_dir and dataset_name"]),
        ({"run": {"max_cost": 5.0}}, ["max_cost, but no price_per_hour", "Set price_per_hour"]),
    ],
)
def test_a_contradiction_is_told_with_what_to_do(tables: dict[str, dict[str, Any]], said: list[str]) -> None:
    (problem,) = contradictions(config(**tables))
    assert all(words in str(problem) for words in said)
    assert problem.problem.endswith(".") and problem.remedy.endswith((".", "'"))


@pytest.mark.parametrize("block", ["unet.up_blocks.0.attentions.1", "down_blocks", "mid_block.attentions.0.proj_in"])
def test_a_block_may_be_named_whole_or_in_part(block: str) -> None:
    assert contradictions(config(lora={"lora_unet_blocks": [block]})) == ()


def test_the_blocks_are_those_of_sdxls_unet() -> None:
    shipped = resources.files("engine.models") / "sdxl" / "unet" / "config.json"
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(json.loads(shipped.read_text("utf-8")))
    names = [name.partition(".transformer_blocks")[0] for name, _ in unet.named_modules() if ".attn1" in name]
    assert sorted(ATTENTION_BLOCKS) == sorted(set(names))


def test_all_contradictions_are_told_together() -> None:
    with pytest.raises(SeveralProblems) as caught:
        resolve(config(optimizer={"use_8bit_adam": True}, prior={"with_prior_preservation": True}))
    assert len(caught.value.problems) == 2
    assert "use_8bit_adam" in str(caught.value) and "class_prompt" in str(caught.value)


@pytest.mark.parametrize("kind", ["person", "object", "style", "character"])
def test_no_preset_contradicts_itself_or_sets_what_has_no_effect(kind: str) -> None:
    settings = config(concept={"kind": kind})
    assert contradictions(settings) == () and list(idle_settings(settings)) == []
    assert list(odd_rates(resolve(settings))) == []


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"data": {"mask_dir": "masks"}}, "mask_dir has no effect: masked_loss is off."),
        ({"data": {"mask_dir": "masks"}, "loss": {"unmasked_weight": 0.0}}, "mask_dir and unmasked_weight have"),
        ({"data": {"keep_tokens": 2}}, "keep_tokens has no effect: shuffle_caption is off."),
        ({"optimizer": {"optimizer": "adafactor", "adam_beta1": 0.8}}, "adam_beta1 has no effect: adafactor"),
        ({"optimizer": {"optimizer": "adamw", "prodigy_d_coef": 2.0}}, "prodigy_d_coef has no effect"),
        ({"prior": {"class_data_dir": "faces"}}, "with_prior_preservation is off"),
        (
            {
                "prior": {
                    "with_prior_preservation": True,
                    "class_prompt": "a dog",
                    "prior_target": "base_model",
                    "class_dataset_name": "a/b",
                }
            },
            "class_dataset_name has no effect: prior_target = base_model",
        ),
        ({"text_encoder": {"train_text_encoder": True, "initializer_concept": "dog"}}, "initializer_concept has no"),
        ({"sample": {"num_validation_images": 0, "validation_steps": 5}}, "validation_steps has no effect"),
    ],
)
def test_a_setting_without_effect_is_named_with_the_reason(tables: dict[str, dict[str, Any]], said: str) -> None:
    (sentence,) = idle_settings(config(**tables))
    assert said in sentence and sentence.endswith(".")


def test_rates_of_another_optimizer_are_pointed_out() -> None:
    low = resolve(config(optimizer={"learning_rate": 1e-4}))
    assert "the guide sets 1.0" in next(odd_rates(low))
    high = resolve(config(optimizer={"optimizer": "adamw", "learning_rate": 1.0}))
    assert "the guide sets 1e-4" in next(odd_rates(high))


def test_what_does_not_fit_into_the_run_is_told_together() -> None:
    settings = config(
        run={"max_train_steps": 10},
        optimizer={"lr_warmup_steps": 10},
        text_encoder={"train_text_encoder_ti_frac": 0.01},
        sample={"validation_steps": 11},
    )
    arithmetic = plan(settings, photos=4)
    warmup, pivot = against_the_plan(settings, arithmetic)
    assert "lr_warmup_steps = 10" in warmup.problem
    assert "pivot at step 0" in pivot.problem and "train_text_encoder_ti = false" in pivot.remedy
    (beyond,) = beyond_the_plan(settings, arithmetic)
    assert "validation_steps = 11" in beyond


def test_a_warm_up_that_ends_within_the_run_is_fine() -> None:
    settings = config(run={"max_train_steps": 10}, optimizer={"lr_warmup_steps": 9})
    assert list(against_the_plan(settings, plan(settings, photos=4))) == []
