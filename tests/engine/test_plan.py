"""The arithmetic of a run, and the guide's values for what is left unset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrainConfig, compose
from engine.errors import ConfigError
from engine.plan import plan, resolve


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


def test_resolving_twice_changes_nothing() -> None:
    once = resolve(config())
    assert resolve(once) == once


def test_a_person_gets_120_steps_for_each_photo() -> None:
    arithmetic = plan(config(concept={"kind": "person"}), photos=6)
    assert (arithmetic.total_steps, arithmetic.pivot_step) == (720, 360)


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
