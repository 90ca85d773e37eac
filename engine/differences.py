"""How what a run is trained on has changed since a checkpoint, and what each change means for going on from it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.fingerprint import Fingerprint, Picture

Weight = Literal["harmless", "learned", "impossible"]

# What these name is compared itself, by its content, and not by its place; captions likewise.
PLACES = frozenset(
    {
        "data.instance_data_dir",
        "data.dataset_name",
        "data.mask_dir",
        "data.caption_column",
        "concept.instance_prompt",
        "model.pretrained_model_name_or_path",
        "model.pretrained_vae_model_name_or_path",
        "model.revision",
        "model.variant",
        "prior.class_data_dir",
        "prior.class_dataset_name",
    }
)
# Besides the sections [sample], [output] and [lint]. A setting that stands nowhere here changes what is learned.
HARMLESS = PLACES | {
    "concept.kind",
    "lora.init_from",
    "run.steps_per_photo",
    "run.gradient_checkpointing",
    "run.low_memory",
    "run.oom_retry",
    "run.torch_compile",
    "run.checkpointing_steps",
    "run.checkpointing_minutes",
    "run.checkpoints_total_limit",
    "run.checkpoints_keep_every",
    "run.max_skipped_steps",
    "run.report_to",
    "run.report_samples",
    "run.accelerate_config",
    "run.max_hours",
    "run.price_per_hour",
    "run.max_cost",
}
HARMLESS_SECTIONS = ("sample.", "output.", "lint.")
# The tensors of a checkpoint would not fit, or would count for more or less than they were trained for.
IMPOSSIBLE = frozenset(
    {
        "concept.token_abstraction",
        "lora.rank",
        "lora.lora_alpha",
        "lora.use_dora",
        "lora.lora_layers",
        "lora.lora_unet_blocks",
        "lora.use_blora",
        "text_encoder.train_text_encoder_ti",
        "text_encoder.num_new_tokens_per_abstraction",
        "text_encoder.train_text_encoder",
        "optimizer.optimizer",
        "optimizer.use_8bit_adam",
    }
)
# Harmless as long as a step sees as many photos.
SHARES_OF_A_STEP = ("run.train_batch_size", "run.gradient_accumulation_steps", "run.num_processes")


@dataclass(frozen=True)
class Difference:
    """One change. name: a setting as section.key, or what it is of which picture.  before, now: None for what is not.

    weight: harmless; learned, where training would go on with something else; impossible, where it cannot go on.
    """

    name: str
    before: str | None
    now: str | None
    weight: Weight


def differences(before: Fingerprint, now: Fingerprint) -> list[Difference]:
    """All changes: settings, then the model, photos and class images; none when the two are equal."""
    return [
        *_of_settings(before.settings, now.settings),
        *_of_model(before.model, now.model),
        *_of_pictures("photo", before.photos, now.photos),
        *_of_pictures("class image", before.class_images, now.class_images),
    ]


def _of_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in before:
        if before[name] != now[name]:
            yield Difference(name, _shown(before[name]), _shown(now[name]), _weight(name, before, now))


def _weight(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Weight:
    if name in IMPOSSIBLE:
        return "impossible"
    if name in HARMLESS or name.startswith(HARMLESS_SECTIONS):
        return "harmless"
    if name in SHARES_OF_A_STEP and _photos_in_a_step(before) == _photos_in_a_step(now):
        # The photos of a micro-batch have one shape, so that its size has a say in the order of buckets.
        buckets = before["data.aspect_ratio_buckets"] or now["data.aspect_ratio_buckets"]
        return "learned" if buckets and before["run.train_batch_size"] != now["run.train_batch_size"] else "harmless"
    return "learned"


def _photos_in_a_step(settings: Mapping[str, Any]) -> int:
    batch, micro_batches, processes = (settings[name] for name in SHARES_OF_A_STEP)
    return batch * micro_batches * processes


def _of_model(before: str | None, now: str | None) -> Iterator[Difference]:
    if before != now:
        weight = "harmless" if before is None or now is None else "learned"  # it is fetched again
        yield Difference("the base model", _weights(before), _weights(now), weight)


def _weights(digest: str | None) -> str:
    return f"weights {digest[:12]}" if digest else "not on this disk"


def _of_pictures(what: str, before: Mapping[str, Picture], now: Mapping[str, Picture]) -> Iterator[Difference]:
    for name in sorted({*before, *now}):
        one, other = before.get(name), now.get(name)
        if one is None or other is None:
            yield Difference(f"{what} {name}", one and _described(one), other and _described(other), "learned")
            continue
        if one.content != other.content:
            yield Difference(f"{what} {name}", _size(one), _size(other), "learned")
        if one.caption != other.caption:
            yield Difference(f"caption of {name}", one.caption, other.caption, "learned")
        if one.mask != other.mask:
            yield Difference(f"mask of {name}", _mask(one), _mask(other), "learned")
        if one.focus != other.focus:
            yield Difference(f"crop of {name}", _crop(one), _crop(other), "learned")


def _described(picture: Picture) -> str:
    return picture.caption or _size(picture)


def _size(picture: Picture) -> str:
    return f"{picture.content.size:,} bytes, SHA-256 {picture.content.sha256[:12]}"


def _mask(picture: Picture) -> str:
    return f"a file, SHA-256 {picture.mask.sha256[:12]}" if picture.mask else "no file"


def _crop(picture: Picture) -> str:
    return f"around {picture.focus[0]:g},{picture.focus[1]:g}" if picture.focus else "as the settings say"


def _shown(value: Any) -> str:
    """As lora.toml would have it, but for the quotes."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
