"""What a config means for so many photos: everything unset filled in, steps, epochs, the pivot."""

import math
from dataclasses import dataclass

from curation.needs import TrainingNeeds
from engine.config import TrainConfig
from engine.contradictions import contradictions
from engine.defaults import ADAM_BETA2, BLORA_BLOCKS, WEIGHT_DECAY, learning_rates, trains_text
from engine.errors import ConfigError, refuse
from engine.models.files import tokenizer_file
from engine.paths import typed_path
from engine.settings import LoraSection, ModelSection, OptimizerSection, RunSection, TextEncoderSection

# LoRA-ease keeps the steps that it derives from the number of photos within these.
FEWEST_STEPS, MOST_STEPS = 500, 1500


@dataclass(frozen=True)
class Plan:
    """A run's arithmetic.

    photos: trainable photos.  total_steps and steps_per_epoch: optimizer steps.  epochs: passes over photos times
    repeats, rounded up.  pivot_step: steps after which the text side (new tokens, or text-encoder LoRA) stops
    training; None when it does not train at all.  warmup_steps: optimizer steps until the rate is reached.
    samples_per_step: photos in an optimizer step, over all its micro-batches and processes; class images not counted.
    """

    photos: int
    total_steps: int
    steps_per_epoch: int
    epochs: int
    pivot_step: int | None
    warmup_steps: int
    samples_per_step: int


def resolve(config: TrainConfig) -> TrainConfig:
    """The config with everything that depends on other settings filled in; resolving again changes nothing.

    Unset rates, decays and betas become the guide's for the chosen optimizer, low_memory and use_blora what they
    stand for.  Raises ConfigError for settings that contradict each other: SeveralProblems for several.
    """
    refuse(contradictions(config))
    return config.model_copy(
        update={
            "model": _resolved_model(config.model, config.run),
            "lora": _resolved_lora(config.lora),
            "text_encoder": _resolved_text_encoder(config),
            "optimizer": _resolved_optimizer(config),
            "run": _resolved_run(config.run),
        }
    )


def _resolved_optimizer(config: TrainConfig) -> OptimizerSection:
    optimizer = config.optimizer
    beta2 = ADAM_BETA2.get(optimizer.optimizer) if optimizer.adam_beta2 is None else optimizer.adam_beta2
    return optimizer.model_copy(
        update={
            "learning_rate": learning_rates(config)[0],
            "adam_beta2": beta2,
            "adam_weight_decay": _weight_decay(optimizer),
        }
    )


def _resolved_text_encoder(config: TrainConfig) -> TextEncoderSection:
    decay = config.text_encoder.adam_weight_decay_text_encoder
    return config.text_encoder.model_copy(
        update={
            "text_encoder_lr": learning_rates(config)[1],
            "adam_weight_decay_text_encoder": _weight_decay(config.optimizer) if decay is None else decay,
        }
    )


def _weight_decay(optimizer: OptimizerSection) -> float:
    """0 is a value, not "unset"."""
    return WEIGHT_DECAY[optimizer.optimizer] if optimizer.adam_weight_decay is None else optimizer.adam_weight_decay


def _resolved_lora(lora: LoraSection) -> LoraSection:
    blocks = list(BLORA_BLOCKS) if lora.use_blora else lora.lora_unet_blocks
    return lora.model_copy(update={"lora_alpha": lora.lora_alpha or float(lora.rank), "lora_unet_blocks": blocks})


def _resolved_model(model: ModelSection, run: RunSection) -> ModelSection:
    return model.model_copy(update={"quantize": model.quantize or "fp8"}) if run.low_memory else model


def _resolved_run(run: RunSection) -> RunSection:
    """With low_memory, micro-batches of one photo, and so many of them that a step still sees as many photos."""
    if not run.low_memory:
        return run
    photos_per_step = run.gradient_accumulation_steps * run.train_batch_size
    return run.model_copy(
        update={
            "gradient_checkpointing": True,
            "train_batch_size": 1,
            "gradient_accumulation_steps": photos_per_step,
        }
    )


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
        aspect_ratio_buckets=config.data.aspect_ratio_buckets,
        class_data_dir=typed_path(prior.class_data_dir) if prior.class_data_dir else None,
        num_class_images=prior.num_class_images if prior.with_prior_preservation else 0,
        tokenizer=tokenizer_file(config.model),
    )


def effective_batch(run: RunSection) -> int:
    """Photos in an optimizer step, over all its micro-batches and processes."""
    return run.train_batch_size * run.gradient_accumulation_steps * run.num_processes


def with_processes(config: TrainConfig, num_processes: int) -> TrainConfig:
    """The same run on so many processes: each takes more micro-batches, or fewer, and a step sees the same photos.

    Raises ConfigError where the micro-batches of a step cannot be shared evenly among them.
    """
    micro_batches = config.run.gradient_accumulation_steps * config.run.num_processes
    if micro_batches % num_processes:
        possible = [str(count) for count in range(1, micro_batches + 1) if micro_batches % count == 0]
        raise ConfigError(
            f"A step of this run has {micro_batches} micro-batches, which {num_processes} processes cannot share.",
            f"Set num_processes to one of: {', '.join(possible)}.",
        )
    shared = {"num_processes": num_processes, "gradient_accumulation_steps": micro_batches // num_processes}
    return config.model_copy(update={"run": config.run.model_copy(update=shared)})


def plan(config: TrainConfig, photos: int) -> Plan:
    """Steps, epochs and pivot for `photos` trainable photos (at least 1)."""
    run, text_encoder = config.run, config.text_encoder
    derived = min(max(run.steps_per_photo * photos, FEWEST_STEPS), MOST_STEPS)
    total_steps = run.max_train_steps or derived
    samples_per_step = effective_batch(run)
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
        warmup_steps=config.optimizer.lr_warmup_steps,
        samples_per_step=samples_per_step,
    )
