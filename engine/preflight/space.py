"""The disk that a run needs, part by part, and what is free where it goes."""

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.config import TrainConfig
from engine.defaults import ATTENTION_BLOCKS
from engine.errors import EngineError
from engine.memory import STATE, STATE_8BIT, MemoryEstimate
from engine.models.names import BUILT_IN
from engine.plan import Plan
from engine.preflight.class_images import ClassImages
from engine.preflight.machine import nearest_existing
from engine.sizes import gigabytes
from engine.text.sample_prompts import sample_prompts

FLOAT32 = 4  # bytes
PNG_BYTES = 2  # for each pixel of a photograph, measured on scikit-image's: 1.2 to 1.9
POSTERIOR = 2 * 4 * FLOAT32  # mean and deviation of four channels, for each pixel of the latents
PROMPT = (77 * 2048 + 1280) * FLOAT32  # prompt_embeds and pooled_prompt_embeds of SDXL
# SDXL: width and number of transformer blocks of the UNet's parts that take a LoRA; width and layers of its encoders.
SHALLOW, DEEP = (640, 2), (1280, 10)
PROMPT_WIDTH = 2048
TEXT_ENCODERS = ((768, 12), (1280, 32))
EXPORTS = 2  # files that hold the whole LoRA: diffusers' and kohya's


@dataclass(frozen=True)
class Disk:
    """Bytes that a run writes by part, at most, and what is free in `folder`.

    checkpoints: how many are counted, of those that lie there at once; further ones, after so many minutes, are not.
    each_checkpoint: bytes.  most_checkpoints: how many there are at once with those too, None without a limit.
    """

    parts: Mapping[str, int]
    checkpoints: int
    each_checkpoint: int
    free: int
    folder: Path
    most_checkpoints: int | None = None

    @property
    def needed(self) -> int:
        return sum(self.parts.values())


def disk_needed(
    config: TrainConfig, plan: Plan, class_images: ClassImages | None, memory: MemoryEstimate | None, runs_dir: Path
) -> Disk:
    """What a run of the resolved config will write into `runs_dir`; without a memory count, LoRA and optimizer state
    are reckoned from SDXL's widths."""
    pixels = config.data.resolution**2
    parameters = memory.trained_parameters if memory else lora_parameters(config)
    lora = parameters * FLOAT32
    each_checkpoint = lora + (memory.optimizer if memory else _state(config) * parameters)
    most_checkpoints = _checkpoints_kept(config, plan)
    by_steps = math.ceil(plan.total_steps / config.run.checkpointing_steps) + _at_multiples(config, plan)
    checkpoints = by_steps if most_checkpoints is None else min(by_steps, most_checkpoints)
    at_class = class_images.real + class_images.generated if class_images else 0
    parts = {
        "checkpoints": checkpoints * each_checkpoint,
        "exports": EXPORTS * lora,
        "latents": (plan.photos + at_class) * _crops(config) * POSTERIOR * pixels // 64 if _caches(config) else 0,
        "prompt embeddings": PROMPT * (plan.photos + 1),
        "class images": (class_images.generated if class_images else 0) * PNG_BYTES * pixels,
        "samples": _samples(config, plan) * PNG_BYTES * pixels,
    }
    folder = nearest_existing(runs_dir)
    return Disk(parts, checkpoints, each_checkpoint, shutil.disk_usage(folder).free, folder, most_checkpoints)


def lora_parameters(config: TrainConfig) -> int:
    """How many numbers a LoRA on SDXL holds: rank times inputs and outputs of each layer; blocks named in part are
    counted whole.

    Left out are new tokens, DoRA's magnitudes (2 %), and the built-in models, which take a few MB.
    """
    lora = config.lora
    if config.model.pretrained_model_name_or_path in BUILT_IN:
        return 0
    named = [block.removeprefix("unet.") for block in lora.lora_unet_blocks or ATTENTION_BLOCKS]
    sides = 0
    for block in ATTENTION_BLOCKS:
        if any(f"{block}.".startswith(f"{each}.") or f"{each}.".startswith(f"{block}.") for each in named):
            # Of 8 attention layers 6 go from `width` to `width`, and 2 from the prompt's width; feed-forward widens.
            width, depth = SHALLOW if block.startswith(("down_blocks.1", "up_blocks.1")) else DEEP
            sides += depth * (14 * width + 2 * PROMPT_WIDTH)
            sides += depth * 14 * width if lora.lora_layers == "attention_and_feed_forward" else 0
    if config.text_encoder.train_text_encoder:
        sides += sum(layers * 4 * 2 * width for width, layers in TEXT_ENCODERS)
    return lora.rank * sides


def check_space(disk: Disk) -> Iterator[EngineError]:
    """What is needed is free."""
    if disk.needed > disk.free:
        most = max(disk.parts, key=lambda part: disk.parts[part])
        yield EngineError(
            f"The run writes about {gigabytes(disk.needed)}, most of it {most}, and {gigabytes(disk.free)} are free in "
            f"{disk.folder}.",
            "Make room, name another disk with --runs-dir, or lower checkpoints_total_limit.",
        )


def _checkpoints_kept(config: TrainConfig, plan: Plan) -> int | None:
    """The newest, those at multiples, and one that is written before an older one goes; None where all are kept."""
    limit = config.run.checkpoints_total_limit
    return None if limit is None else limit + _at_multiples(config, plan) + 1


def _at_multiples(config: TrainConfig, plan: Plan) -> int:
    every = config.run.checkpoints_keep_every
    return plan.total_steps // every if every else 0


def _state(config: TrainConfig) -> int:
    """Bytes of the optimizer's state for each learned number; Adafactor's rows and columns are next to none."""
    return STATE_8BIT if config.optimizer.use_8bit_adam else STATE.get(config.optimizer.optimizer, 0)


def _caches(config: TrainConfig) -> bool:
    return config.data.cache_latents


def _crops(config: TrainConfig) -> int:
    """Cached crops of each photo."""
    crops = 1 if config.data.center_crop else config.data.crop_variants
    return crops * (2 if config.data.random_flip else 1)


def _samples(config: TrainConfig, plan: Plan) -> int:
    """Sample pictures over the run; the end always has some."""
    sample = config.sample
    times = math.ceil(plan.total_steps / (sample.validation_steps or plan.total_steps))
    return times * sample.num_validation_images * len(sample_prompts(config))
