"""How much GPU memory a run takes: counted on torch's meta device, in a process of its own, and kept by its settings.

Nothing is loaded and no GPU is needed: docs/memory.md tells what is counted, and by how much it was off.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curation.atomic import write_text
from curation.cache import cache_folder
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.extras import require
from engine.models.names import BUILT_IN, full_name
from engine.paths import is_there, typed_path

VERSION = 2  # part of every key: raise it when the count changes
PATIENCE_SECONDS = 300.0  # a cold network disk

# Bytes of an optimizer's state for each learned number: AdamW's two moments, in 8 bits one byte each (the scales of its
# blocks of 256 are left out), Prodigy's two with its estimate `s` and the starting point `p0`.  Adafactor's row and
# column for each matrix are counted by shape.
STATE = {"adamw": 2 * 4, "prodigy": 4 * 4}
STATE_8BIT = 2

# What the count depends on, by section; a count sees nothing else of the config.
ASKED: Mapping[str, tuple[str, ...]] = {
    "data": ("resolution", "cache_latents"),
    "concept": ("token_abstraction",),
    "model": ("pretrained_model_name_or_path", "pretrained_vae_model_name_or_path", "quantize"),
    "lora": ("rank", "use_dora", "lora_dropout", "lora_layers", "lora_unet_blocks", "use_blora"),
    "text_encoder": ("train_text_encoder_ti", "num_new_tokens_per_abstraction", "train_text_encoder"),
    "optimizer": ("optimizer", "use_8bit_adam"),
    "prior": ("with_prior_preservation",),
    "run": ("train_batch_size", "gradient_checkpointing", "mixed_precision"),
    "sample": ("num_validation_images",),
}


@dataclass(frozen=True)
class MemoryEstimate:
    """GPU memory of a run, in bytes.

    unet, text_encoders, vae: frozen weights, in the types that they have on the GPU.  trained: LoRA and new tokens with
    their gradients.  optimizer: its state.  step: what one step's forward and backward need at their height, above
    all weights.  encoding, decoding: the same for one photo through the VAE and one sample picture out of it.
    phases: bytes at the height of each phase, with the parts that are on the GPU then.
    trained_parameters: how many numbers are learned.
    """

    unet: int
    text_encoders: int
    vae: int
    trained: int
    optimizer: int
    step: int
    encoding: int
    decoding: int
    trained_parameters: int
    phases: Mapping[str, int]

    @property
    def total(self) -> int:
        """Bytes at the height of the hungriest phase."""
        return max(self.phases.values())

    @property
    def hungriest(self) -> str:
        """The phase that needs most: "training", "caching latents" or "sampling"."""
        return max(self.phases, key=lambda phase: self.phases[phase])


def estimate(config: TrainConfig) -> MemoryEstimate:
    """The GPU memory that a run of the resolved `config` takes; an unset mixed_precision counts as bf16.

    Takes seconds the first time, and milliseconds for settings that were counted before, on this machine.  Raises
    MissingExtra without the training packages, and EngineError when the count fails.
    """
    asked = question(config)
    kept = _kept_file(asked)
    try:
        return _from_json(kept.read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        pass
    require("train", "Counting GPU memory")
    text = _count(asked)
    found = _from_json(text)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, text)
    except OSError:  # it is counted again the next time
        pass
    return found


def free_gpu_memory() -> tuple[int, int] | None:
    """Bytes that are free and in all on the first GPU that a run would see; None without an NVIDIA GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if visible in ("", "-1"):
        return None
    ask = ["nvidia-smi", f"--id={visible}", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True)
        free, total = (int(number) * 2**20 for number in done.stdout.splitlines()[0].split(","))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return free, total


def question(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """The part of `config` that its memory depends on; models of SDXL's size all ask the same."""
    values = config.model_dump()
    asked = {section: {key: values[section][key] for key in keys} for section, keys in ASKED.items()}
    name = config.model.pretrained_model_name_or_path
    if name not in BUILT_IN:
        folder = typed_path(full_name(name)).absolute()
        has_config = is_there(folder / "unet" / "config.json")
        asked["model"]["pretrained_model_name_or_path"] = str(folder) if has_config else "sdxl"
    if config.model.pretrained_vae_model_name_or_path:
        asked["model"]["pretrained_vae_model_name_or_path"] = "sdxl-vae-fp16"
    asked["run"]["mixed_precision"] = config.run.mixed_precision or "bf16"
    asked["sample"]["num_validation_images"] = min(config.sample.num_validation_images, 1)
    return asked


def to_json(found: MemoryEstimate) -> str:
    """The estimate as the counting process prints it."""
    return json.dumps(asdict(found)) + "\n"


def _from_json(text: str) -> MemoryEstimate:
    return MemoryEstimate(**json.loads(text))


def _count(asked: Mapping[str, Any]) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "engine.memory"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # nothing is computed
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"GPU memory could not be counted: {error}.", "Look at: loratui doctor") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1].rstrip(".")
        raise EngineError(f"GPU memory could not be counted: {last}.", "Look at: loratui doctor")
    return done.stdout


def _kept_file(asked: Mapping[str, Any]) -> Path:
    key = hashlib.blake2b(json.dumps([VERSION, asked], sort_keys=True).encode(), digest_size=16).hexdigest()
    return cache_folder() / "memory" / f"{key}.json"
