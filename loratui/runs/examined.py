"""What an examination found, in words for a person and as JSON for a script; the command and the screen share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from curation.text import counted, duration
from engine.config import TrainConfig
from engine.plan import Plan, trains_text
from engine.sizes import gigabytes
from engine.text.sample_prompts import sample_prompts

if TYPE_CHECKING:  # 80 ms, with numpy
    from engine.preflight import Examination
    from engine.preflight.class_images import ClassImages
    from engine.preflight.machine import GpuMemory
    from engine.preflight.space import Disk

JSON_VERSION = 1
WORTH_NAMING = 50 * 10**6  # bytes: smaller parts of what goes to disk are not named
Row = tuple[str, str]
Pace = tuple[float, str]
"""Seconds a step of a run like the one that is planned, and that run's name."""


def plan_rows(config: TrainConfig, plan: Plan) -> Iterator[Row]:
    """A run's arithmetic.  config: resolved."""
    pivot = "the text side does not train" if plan.pivot_step is None else f"pivot at step {plan.pivot_step:,}"
    warm_up = f", {plan.warmup_steps:,} of warm-up" if plan.warmup_steps else ", no warm-up"
    yield "steps", f"{plan.total_steps:,} steps, {pivot}{warm_up}"
    photos = f"{counted(plan.photos, 'photo')}, {plan.epochs:,} epochs of {plan.steps_per_epoch:,} steps"
    yield "epochs", photos if plan.samples_per_step == 1 else f"{photos}, {plan.samples_per_step} photos in a step"
    optimizer = config.optimizer
    if optimizer.learning_rate is not None:
        rates = f"learning rate {optimizer.learning_rate:g}"
        if trains_text(config) and isinstance(config.text_encoder.text_encoder_lr, float):
            rates += f", text {config.text_encoder.text_encoder_lr:g}"
        yield "optimizer", f"{optimizer.optimizer}, {rates}, {optimizer.lr_scheduler}"


def time_row(config: TrainConfig, plan: Plan, pace: Pace | None) -> Row:
    """How long the steps take, and what that costs.  config: resolved."""
    if pace is None:
        return "time", "not known before a run like this was timed here; its rehearsal tells"
    seconds = pace[0] * plan.total_steps
    price = config.run.price_per_hour
    cost = "" if price is None else f", about {seconds / 3600 * price:.2f} at {price:g} an hour"
    return "time", f"about {duration(seconds)}{cost} ({pace[0]:.2g} s a step, as in {pace[1]})"


def machine_rows(found: Examination) -> Iterator[Row]:
    """What a run takes from the machine."""
    yield "model", _model(found)
    if found.class_images:
        yield "class images", _class_images(found.class_images)
    if found.disk:
        yield "disk", _disk(found.disk, found.config.run.checkpointing_minutes)
    if found.gpu:
        yield "GPU memory", _gpu_memory(found.gpu)


def rows(found: Examination, pace: Pace | None = None) -> Iterator[Row]:
    """All of it, as `train --dry-run` prints it."""
    if found.dataset:
        own = sum(bool(photo.caption) for photo in found.dataset.trainable)
        photos = counted(len(found.dataset.trainable), "photo")
        yield "photos", f"{photos} in {found.dataset.root}, {own} with captions of their own"
    if found.config.lora.init_from:
        yield "starts from", found.config.lora.init_from
    if found.plan:
        yield from plan_rows(found.config, found.plan)
        yield time_row(found.config, found.plan, pace)
    yield from machine_rows(found)
    if found.config.sample.num_validation_images:
        for prompt in sample_prompts(found.config):
            yield "sample prompt", prompt


def as_json(found: Examination, pace: Pace | None = None) -> dict[str, Any]:
    """The same for a script: `loratui train --dry-run --json`."""
    estimate = found.gpu.estimate if found.gpu else None
    return {
        "version": JSON_VERSION,
        "ready": found.is_ready,
        "problems": [{"problem": each.problem, "remedy": each.remedy} for each in found.problems],
        "warnings": list(found.warnings),
        "plan": asdict(found.plan) if found.plan else None,
        "pace": {"seconds_per_step": pace[0], "run": pace[1]} if pace else None,
        "class_images": asdict(found.class_images) if found.class_images else None,
        "sample_prompts": list(sample_prompts(found.config)),
        "models_to_fetch": list(found.to_fetch),
        "disk": {
            "needed": found.disk.needed,
            "free": found.disk.free,
            "folder": str(found.disk.folder),
            "checkpoints": found.disk.checkpoints,
            "parts": dict(found.disk.parts),
        }
        if found.disk
        else None,
        "gpu_memory": {
            "needed": estimate.total if estimate else None,
            "free": found.gpu.free,
            "total": found.gpu.total,
            "phases": dict(estimate.phases) if estimate else None,
            "unknown": found.gpu.unknown,
        }
        if found.gpu
        else None,
        "settings": found.config.model_dump(mode="json"),
    }


def _model(found: Examination) -> str:
    model = found.config.model
    base, vae = model.pretrained_model_name_or_path, model.pretrained_vae_model_name_or_path

    def told(name: str) -> str:
        return f"{name} (still to be fetched)" if name in found.to_fetch else name

    return f"{told(base)}, with the VAE {told(vae)}" if vae else told(base)


def _class_images(images: ClassImages) -> str:
    real = f"{images.real} at hand"
    return f"{real}, more from {images.fetched_from}" if images.fetched_from else f"{real}, {images.generated} to make"


def _disk(disk: Disk, minutes: float | None) -> str:
    parts = ", ".join(f"{part} {gigabytes(size)}" for part, size in disk.parts.items() if size >= WORTH_NAMING)
    named = f" ({parts})" if parts else ""
    more = _by_the_minute(disk, minutes)
    return f"about {gigabytes(disk.needed)}{named}{more}; {gigabytes(disk.free)} free in {disk.folder}"


def _by_the_minute(disk: Disk, minutes: float | None) -> str:
    """What checkpoints between those that are counted may add."""
    most = disk.most_checkpoints
    if not minutes or disk.each_checkpoint < WORTH_NAMING or (most is not None and most <= disk.checkpoints):
        return ""
    limit = "" if most is None else f", up to {most} checkpoints"
    return f"; {gigabytes(disk.each_checkpoint)} more every {minutes:g} minutes{limit}"


def _gpu_memory(gpu: GpuMemory) -> str:
    if gpu.estimate is None:
        return f"not counted: {gpu.unknown}"
    phases = ", ".join(f"{phase} {gigabytes(size)}" for phase, size in gpu.estimate.phases.items())
    there = "no NVIDIA GPU here" if gpu.free is None else f"{gigabytes(gpu.free)} free"
    return f"about {gigabytes(gpu.estimate.total)} ({phases}), {there}"
