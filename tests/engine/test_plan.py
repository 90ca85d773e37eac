"""The arithmetic of a run, and the guide's values for what is left unset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrainConfig, compose
from engine.errors import ConfigError
from engine.plan import plan, resolve, training_needs


def config(**tables: dict[str, object]) -> TrainConfig:
    return compose(flags=tables).config


def test_prodigy_gets_the_guides_values() -> None:
    resolved = resolve(config())
    assert (resolved.optimizer.learning_rate, resolved.text_encoder.text_encoder_lr) == (1.0, 1.0)
    assert (resolved.optimizer.adam_beta2, resolved.optimizer.adam_weight_decay) == (0.99, 0.01)


def test_adamw_gets_the_guides_rates_for_new_tokens_and_for_text_encoder_lora() -> None:
    tokens = resolve(config(optimizer={"optimizer": "adamw"}))
    assert (tokens.optimizer.learning_rate, tokens.text_encoder.text_encoder_lr) == (1e-4, 3e-4)
    lora = resolve(config(optimizer={"optimizer": "adamw"}, text_encoder={"train_text_encoder": True}))
    assert lora.text_encoder.text_encoder_lr == 5e-5


def test_the_text_encoder_rate_can_follow_the_unets() -> None:
    resolved = resolve(
        config(optimizer={"optimizer": "adamw", "learning_rate": 7e-5}, text_encoder={"text_encoder_lr": "unet"})
    )
    assert resolved.text_encoder.text_encoder_lr == 7e-5


def test_a_weight_decay_of_zero_is_a_value() -> None:
    resolved = resolve(
        config(optimizer={"adam_weight_decay": 0.5}, text_encoder={"adam_weight_decay_text_encoder": 0.0})
    )
    assert resolved.text_encoder.adam_weight_decay_text_encoder == 0.0


def test_prodigy_with_two_rates_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match="Prodigy takes one rate"):
        resolve(config(text_encoder={"text_encoder_lr": 3e-4}))


def test_both_ways_of_training_text_are_refused_together() -> None:
    with pytest.raises(ConfigError, match="Keep one"):
        resolve(config(text_encoder={"train_text_encoder": True, "train_text_encoder_ti": True}))


def test_prodigys_text_side_follows_the_rate_that_was_chosen() -> None:
    assert resolve(config(optimizer={"learning_rate": 0.8})).text_encoder.text_encoder_lr == 0.8


def test_adafactor_has_rates_and_no_betas() -> None:
    resolved = resolve(config(optimizer={"optimizer": "adafactor"}))
    assert (resolved.optimizer.learning_rate, resolved.text_encoder.text_encoder_lr) == (1e-4, 3e-4)
    assert resolved.optimizer.adam_beta2 is None


def test_low_memory_keeps_the_photos_of_a_step() -> None:
    run = {"low_memory": True, "train_batch_size": 4, "gradient_accumulation_steps": 2}
    resolved = resolve(config(run=run))
    assert (resolved.run.train_batch_size, resolved.run.gradient_accumulation_steps) == (1, 8)
    assert resolved.run.gradient_checkpointing and resolved.model.quantize == "fp8"
    assert plan(resolved, photos=9).samples_per_step == plan(config(run=run), photos=9).samples_per_step == 8


def test_low_memory_keeps_another_quantisation_that_was_chosen() -> None:
    assert resolve(config(run={"low_memory": True}, model={"quantize": "nf4"})).model.quantize == "nf4"


def test_blora_stands_for_the_blocks_of_content_and_style() -> None:
    assert resolve(config(lora={"use_blora": True})).lora.lora_unet_blocks == [
        "up_blocks.0.attentions.0",
        "up_blocks.0.attentions.1",
    ]


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"optimizer": {"optimizer": "adafactor"}},
        {"run": {"low_memory": True, "train_batch_size": 4}},
        {"lora": {"use_blora": True}},
        {"text_encoder": {"text_encoder_lr": "unet"}},
    ],
)
def test_resolving_twice_changes_nothing(tables: dict[str, dict[str, object]]) -> None:
    once = resolve(config(**tables))
    assert resolve(once) == once


def test_a_person_gets_120_steps_for_each_photo() -> None:
    arithmetic = plan(config(concept={"kind": "person"}), photos=6)
    assert (arithmetic.total_steps, arithmetic.pivot_step) == (720, 360)


@pytest.mark.parametrize(
    ("kind", "photos", "steps"), [("object", 20, 1000), ("character", 5, 900), ("style", 27, 1000)]
)
def test_every_kind_gets_the_steps_of_its_source(kind: str, photos: int, steps: int) -> None:
    assert plan(config(concept={"kind": kind}), photos).total_steps == steps


@pytest.mark.parametrize(("photos", "steps"), [(2, 500), (40, 1500)])
def test_derived_steps_stay_within_those_of_lora_ease(photos: int, steps: int) -> None:
    assert plan(config(concept={"kind": "person"}), photos).total_steps == steps


@given(
    photos=st.integers(1, 500),
    repeats=st.integers(1, 9),
    batch=st.integers(1, 16),
    accumulation=st.integers(1, 8),
    steps=st.integers(1, 5000),
    frac=st.floats(0, 1),
)
def test_the_epochs_cover_the_steps_and_the_pivot_lies_within_them(
    photos: int, repeats: int, batch: int, accumulation: int, steps: int, frac: float
) -> None:
    arithmetic = plan(
        config(
            data={"repeats": repeats},
            run={"max_train_steps": steps, "train_batch_size": batch, "gradient_accumulation_steps": accumulation},
            text_encoder={"train_text_encoder_ti_frac": frac},
        ),
        photos,
    )
    samples, pass_over_photos = steps * batch * accumulation, photos * repeats
    assert (arithmetic.epochs - 1) * pass_over_photos < samples <= arithmetic.epochs * pass_over_photos
    assert arithmetic.steps_per_epoch * batch * accumulation >= photos * repeats
    assert arithmetic.pivot_step is not None and 0 <= arithmetic.pivot_step <= steps


def test_the_checks_of_photos_are_told_how_they_will_be_cropped() -> None:
    data = {"aspect_ratio_buckets": True, "center_crop": True, "resolution": 768}
    needs = training_needs(config(data=data))
    assert (needs.aspect_ratio_buckets, needs.center_crop, needs.resolution) == (True, True, 768)
    assert not training_needs(config()).aspect_ratio_buckets
