"""What a config means for so many photos: every rate filled in, steps, epochs, the pivot."""

import math
from dataclasses import dataclass

from curation.needs import TrainingNeeds
from engine.config import TrainConfig
from engine.errors import ConfigError
from engine.model_files import tokenizer_file
from engine.paths import typed_path

# LoRA-ease keeps the steps that it derives from the number of photos within these.
FEWEST_STEPS, MOST_STEPS = 500, 1500

# The guide's values for each optimizer.
LEARNING_RATE = {"prodigy": 1.0, "adamw": 1e-4, "adafactor": 1e-4}
NEW_TOKENS_LR = {"prodigy": 1.0, "adamw": 3e-4, "adafactor": 3e-4}
TEXT_ENCODER_LR = {"prodigy": 1.0, "adamw": 5e-5, "adafactor": 5e-5}
ADAM_BETA2 = {"prodigy": 0.99, "adamw": 0.999, "adafactor": 0.999}
WEIGHT_DECAY = {"prodigy": 0.01, "adamw": 1e-4, "adafactor": 1e-4}


@dataclass(frozen=True)
class Plan:
    """A run's arithmetic.

    photos: trainable photos.  total_steps and steps_per_epoch: optimizer steps.  epochs: passes over photos times
    repeats, rounded up.  pivot_step: steps after which the text side (new tokens, or text-encoder LoRA) stops
    training; None when it does not train at all.
    """

    photos: int
    total_steps: int
    steps_per_epoch: int
    epochs: int
    pivot_step: int | None


def resolve(config: TrainConfig) -> TrainConfig:
    """The config with everything that depends on other settings filled in.

    Unset rates, decays and betas become the guide's for the chosen optimizer.  Raises ConfigError for settings that
    contradict each other.
    """
    optimizer, text_encoder, prior = config.optimizer, config.text_encoder, config.prior
    name = optimizer.optimizer
    if text_encoder.train_text_encoder and text_encoder.train_text_encoder_ti:
        raise ConfigError(
            "train_text_encoder and train_text_encoder_ti are both on.",
            "Keep one: new tokens (ti, the guide's recommendation) or a LoRA on the text encoders.",
        )
    learning_rate = optimizer.learning_rate or LEARNING_RATE[name]
    text_encoder_lr = text_encoder.text_encoder_lr
    if text_encoder_lr == "unet":
        text_encoder_lr = learning_rate
    elif text_encoder_lr is None:
        text_encoder_lr = (TEXT_ENCODER_LR if text_encoder.train_text_encoder else NEW_TOKENS_LR)[name]
    if name == "prodigy" and text_encoder_lr != learning_rate and trains_text(config):
        raise ConfigError(
            f"Prodigy takes one rate for all parameters, but learning_rate is {learning_rate:g} and "
            f"text_encoder_lr is {text_encoder_lr:g}.",
            "Set both to 1.0, or leave text_encoder_lr out.",
        )
    if prior.with_prior_preservation and not prior.class_prompt:
        raise ConfigError(
            "Prior preservation is on, but there is no class_prompt.",
            "Set it, e.g. class_prompt = 'a photo of a woman'.",
        )
    weight_decay = WEIGHT_DECAY[name] if optimizer.adam_weight_decay is None else optimizer.adam_weight_decay
    text_decay = text_encoder.adam_weight_decay_text_encoder
    return config.model_copy(
        update={
            "optimizer": optimizer.model_copy(
                update={
                    "learning_rate": learning_rate,
                    "adam_beta2": ADAM_BETA2[name] if optimizer.adam_beta2 is None else optimizer.adam_beta2,
                    "adam_weight_decay": weight_decay,
                }
            ),
            "text_encoder": text_encoder.model_copy(
                update={
                    "text_encoder_lr": text_encoder_lr,
                    "adam_weight_decay_text_encoder": weight_decay if text_decay is None else text_decay,
                }
            ),
            "lora": config.lora.model_copy(update={"lora_alpha": config.lora.lora_alpha or float(config.lora.rank)}),
        }
    )


def trains_text(config: TrainConfig) -> bool:
    """Whether new tokens or text encoders train at all."""
    return config.text_encoder.train_text_encoder_ti or config.text_encoder.train_text_encoder


def trigger_words(config: TrainConfig) -> tuple[str, ...]:
    """The words that new tokens stand for; none without pivotal tuning, where captions need no such word."""
    return tuple(config.concept.token_abstraction) if config.text_encoder.train_text_encoder_ti else ()


def training_needs(config: TrainConfig) -> TrainingNeeds:
    """What the checks of the photos must know of the training to come."""
    prior = config.prior
    return TrainingNeeds(
        resolution=config.data.resolution,
        token_abstraction=trigger_words(config),
        num_new_tokens=config.text_encoder.num_new_tokens_per_abstraction,
        instance_prompt=config.concept.instance_prompt,
        center_crop=config.data.center_crop,
        class_data_dir=typed_path(prior.class_data_dir) if prior.class_data_dir else None,
        num_class_images=prior.num_class_images if prior.with_prior_preservation else 0,
        tokenizer=tokenizer_file(config.model),
    )


def plan(config: TrainConfig, photos: int) -> Plan:
    """Steps, epochs and pivot for `photos` trainable photos (at least 1)."""
    run, text_encoder = config.run, config.text_encoder
    derived = min(max(run.steps_per_photo * photos, FEWEST_STEPS), MOST_STEPS)
    total_steps = run.max_train_steps or derived
    samples_per_step = run.train_batch_size * run.gradient_accumulation_steps
    steps_per_epoch = math.ceil(photos * config.data.repeats / samples_per_step)
    share = text_encoder.train_text_encoder_frac
    if text_encoder.train_text_encoder_ti:
        share = text_encoder.train_text_encoder_ti_frac
    return Plan(
        photos=photos,
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
        epochs=math.ceil(total_steps * samples_per_step / (photos * config.data.repeats)),
        pivot_step=round(share * total_steps) if trains_text(config) else None,
    )
