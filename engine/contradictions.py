"""Settings that contradict each other, and settings that change nothing beside the others: all of them, together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curation.text import visible
from engine.config import TrainConfig, sections
from engine.defaults import ATTENTION_BLOCKS, BLORA_BLOCKS, learning_rates, trains_text
from engine.errors import ConfigError
from engine.mini.world import RESOLUTION as MINI_RESOLUTION
from engine.models.names import MINI

if TYPE_CHECKING:
    from engine.plan import Plan


Test = Callable[[TrainConfig], bool]


@dataclass(frozen=True)
class Idle:
    """Settings, named section.key, that have no effect in some configs.  why: a clause, to follow a colon."""

    settings: tuple[str, ...]
    when: Test
    why: str


IDLE = (
    Idle(
        ("run.report_samples",), lambda c: c.run.report_to not in ("wandb", "trackio"), "no tracker elsewhere is named"
    ),
    Idle(("data.mask_dir", "loss.unmasked_weight"), lambda c: not c.loss.masked_loss, "masked_loss is off"),
    Idle(("data.keep_tokens",), lambda c: not c.data.shuffle_caption, "shuffle_caption is off"),
    Idle(("data.crop_variants",), lambda c: not c.data.cache_latents, "cache_latents is off"),
    Idle(("data.crop_variants",), lambda c: c.data.cache_latents and c.data.center_crop, "center_crop is on"),
    Idle(
        (
            "text_encoder.train_text_encoder_ti_frac",
            "text_encoder.num_new_tokens_per_abstraction",
            "text_encoder.initializer_concept",
        ),
        lambda c: not c.text_encoder.train_text_encoder_ti,
        "train_text_encoder_ti is off",
    ),
    Idle(
        ("text_encoder.train_text_encoder_frac",),
        lambda c: not c.text_encoder.train_text_encoder,
        "train_text_encoder is off",
    ),
    Idle(
        ("text_encoder.text_encoder_lr", "text_encoder.adam_weight_decay_text_encoder"),
        lambda c: not trains_text(c),
        "neither new tokens nor the text encoders train",
    ),
    Idle(
        (
            "optimizer.prodigy_beta3",
            "optimizer.prodigy_decouple",
            "optimizer.prodigy_use_bias_correction",
            "optimizer.prodigy_safeguard_warmup",
            "optimizer.prodigy_d_coef",
            "optimizer.prodigy_growth_rate",
        ),
        lambda c: c.optimizer.optimizer != "prodigy",
        "the optimizer is not prodigy",
    ),
    Idle(
        ("optimizer.adam_beta1", "optimizer.adam_beta2", "optimizer.adam_epsilon"),
        lambda c: c.optimizer.optimizer == "adafactor",
        "adafactor has decays of its own",
    ),
    Idle(
        ("optimizer.lr_num_cycles",),
        lambda c: c.optimizer.lr_scheduler != "cosine_with_restarts",
        "lr_scheduler is not cosine_with_restarts",
    ),
    Idle(("optimizer.lr_power",), lambda c: c.optimizer.lr_scheduler != "polynomial", "lr_scheduler is not polynomial"),
    Idle(
        (
            "prior.class_data_dir",
            "prior.class_dataset_name",
            "prior.class_prompt",
            "prior.prior_target",
            "prior.prior_loss_weight",
        ),
        lambda c: not c.prior.with_prior_preservation,
        "with_prior_preservation is off",
    ),
    Idle(
        ("prior.class_data_dir", "prior.class_dataset_name"),
        lambda c: c.prior.with_prior_preservation and c.prior.prior_target == "base_model",
        "prior_target = base_model needs no class pictures",
    ),
    Idle(
        ("sample.validation_prompt", "sample.validation_prompts", "sample.validation_seed", "sample.validation_steps"),
        lambda c: c.sample.num_validation_images == 0,
        "num_validation_images is 0",
    ),
)


def contradictions(config: TrainConfig) -> tuple[ConfigError, ...]:
    """Every pair of settings that cannot both hold.  config: resolved or not."""
    found = (
        *_text_side(config),
        *_optimizer(config),
        *_model_and_lora(config),
        *_prior(config),
        *_photos(config),
        *_limits(config),
    )
    return tuple(ConfigError(problem, remedy) for problem, remedy in found)


def idle_settings(config: TrainConfig) -> Iterator[str]:
    """A sentence for each group of settings that were changed and have no effect.  config: not resolved."""
    for idle in IDLE:
        changed = [name.partition(".")[2] for name in idle.settings if _is_changed(config, name)]
        if changed and idle.when(config):
            verb = "has" if len(changed) == 1 else "have"
            yield f"{_listed(changed)} {verb} no effect: {idle.why}."


def odd_rates(config: TrainConfig) -> Iterator[str]:
    """Warnings on rates that belong to another optimizer.  config: resolved."""
    optimizer, rate = config.optimizer.optimizer, config.optimizer.learning_rate or 0.0
    if optimizer == "prodigy" and rate <= 0.1:  # the reference script warns at the same rate
        yield f"learning_rate = {rate:g} is low for prodigy, which finds its own rate: the guide sets 1.0."
    if optimizer != "prodigy" and rate >= 0.1:
        yield f"learning_rate = {rate:g} is a rate for prodigy: with {optimizer} the guide sets 1e-4."
    if config.data.random_flip and config.concept.kind == "person":
        yield "random_flip mirrors a person's face, and no face is symmetric: leave it off for likeness."


def against_the_plan(config: TrainConfig, plan: Plan) -> Iterator[ConfigError]:
    """Settings that do not fit into a run of so many steps."""
    if config.optimizer.lr_warmup_steps >= plan.total_steps:
        yield ConfigError(
            f"lr_warmup_steps = {config.optimizer.lr_warmup_steps} is no less than the {plan.total_steps} steps of the "
            "run, so the learning rate would never be reached.",
            "Lower lr_warmup_steps, or leave it out.",
        )
    if plan.pivot_step == 0:
        text_encoder = config.text_encoder
        frac = "train_text_encoder_ti_frac" if text_encoder.train_text_encoder_ti else "train_text_encoder_frac"
        trained = "The new tokens" if text_encoder.train_text_encoder_ti else "The text encoders"
        switch = frac.removesuffix("_frac")
        yield ConfigError(
            f"{trained} would never train: {frac} = {getattr(text_encoder, frac):g} of {plan.total_steps} steps puts "
            "the pivot at step 0.",
            f"Raise {frac} (the guide's is 0.5), or set {switch} = false.",
        )


def beyond_the_plan(config: TrainConfig, plan: Plan) -> Iterator[str]:
    """Warnings on intervals that are longer than the run."""
    steps = config.sample.validation_steps
    if steps and steps > plan.total_steps and config.sample.num_validation_images:
        yield f"validation_steps = {steps} is more than the {plan.total_steps} steps: samples come at the end."


def _text_side(config: TrainConfig) -> Iterator[tuple[str, str]]:
    text_encoder = config.text_encoder
    if text_encoder.train_text_encoder and text_encoder.train_text_encoder_ti:
        yield (
            "train_text_encoder and train_text_encoder_ti are both on.",
            "Keep one: new tokens (ti, the guide's recommendation) or a LoRA on the text encoders.",
        )


def _optimizer(config: TrainConfig) -> Iterator[tuple[str, str]]:
    optimizer = config.optimizer
    rate, text_rate = learning_rates(config)
    if optimizer.optimizer == "prodigy" and rate != text_rate and trains_text(config):
        yield (
            f"Prodigy takes one rate for all parameters, but learning_rate is {rate:g} and "
            f"text_encoder_lr is {text_rate:g}.",
            "Set both to 1.0, or leave text_encoder_lr out; adamw takes a rate for each.",
        )
    if optimizer.use_8bit_adam and optimizer.optimizer != "adamw":
        yield (
            f"use_8bit_adam is on, but the optimizer is {optimizer.optimizer}.",
            "Set optimizer = 'adamw', or leave use_8bit_adam out.",
        )


def _model_and_lora(config: TrainConfig) -> Iterator[tuple[str, str]]:
    model, lora = config.model, config.lora
    if lora.use_blora and lora.lora_unet_blocks and set(lora.lora_unet_blocks) != set(BLORA_BLOCKS):
        yield (
            f"use_blora trains {' and '.join(BLORA_BLOCKS)}, but lora_unet_blocks names "
            f"{', '.join(lora.lora_unet_blocks)}.",
            "Keep one of the two.",
        )
    if lora.lora_unet_blocks == []:
        yield "lora_unet_blocks names no block, so no LoRA would train.", "Name blocks, or leave it out for all."
    if unknown := [block for block in lora.lora_unet_blocks or () if not _is_in_the_unet(block)]:
        yield (
            f"SDXL's UNet has no {', '.join(map(visible, unknown))} that takes a LoRA (lora_unet_blocks).",
            f"Its blocks are: {', '.join(ATTENTION_BLOCKS)}.",
        )
    if model.rescale_betas_zero_snr and model.prediction_type == "epsilon":
        yield (
            "rescale_betas_zero_snr ends in pure noise, from which prediction_type = 'epsilon' learns nothing "
            "(Lin et al., 2023, arXiv:2305.08891).",
            "Set prediction_type = 'v_prediction', or leave rescale_betas_zero_snr out.",
        )
    if model.rescale_betas_zero_snr and config.loss.noise_offset:
        yield (
            "rescale_betas_zero_snr and noise_offset both mend the brightness of samples, and add up to too much.",
            "Keep one; zero SNR for a model that was trained with it.",
        )
    if model.pretrained_model_name_or_path == MINI and config.data.resolution != MINI_RESOLUTION:
        yield (
            f"The mini model paints at {MINI_RESOLUTION} px, but resolution is {config.data.resolution}.",
            f"Set resolution = {MINI_RESOLUTION}, or leave it out.",
        )


def _is_in_the_unet(block: str) -> bool:
    """Whether it is one of the blocks, a part of one, or what holds some of them."""
    named = f"{block.removeprefix('unet.')}."
    return any(f"{known}.".startswith(named) or named.startswith(f"{known}.") for known in ATTENTION_BLOCKS)


def _prior(config: TrainConfig) -> Iterator[tuple[str, str]]:
    prior = config.prior
    if prior.with_prior_preservation and not prior.class_prompt:
        yield (
            "Prior preservation is on, but there is no class_prompt.",
            "Set it, e.g. class_prompt = 'a photo of a woman'.",
        )


def _photos(config: TrainConfig) -> Iterator[tuple[str, str]]:
    data = config.data
    if data.instance_data_dir and data.dataset_name and data.instance_data_dir != data.dataset_name:
        yield "instance_data_dir and dataset_name are both set.", "Keep one; both name the photos' folder."


def _limits(config: TrainConfig) -> Iterator[tuple[str, str]]:
    if config.run.max_cost is not None and config.run.price_per_hour is None:
        yield "There is a max_cost, but no price_per_hour to count by.", "Set price_per_hour, or max_hours instead."


def _is_changed(config: TrainConfig, name: str) -> bool:
    section, _, key = name.partition(".")
    value: Any = getattr(getattr(config, section), key)
    return value != sections()[section].model_fields[key].default


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
