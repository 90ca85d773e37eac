"""What a picture is asked for with: its settings, and whether what was typed for one can be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.text.sample_prompts import sample_prompts

SIZE_STEP = 8  # the VAE's reduction


@dataclass(frozen=True)
class Request:
    """One picture.

    size: pixels a side.  lora_scale: how strongly the LoRA counts, 1 as it was trained.  step: of the checkpoint to
    paint from; None for the exported files.
    """

    prompt: str
    negative_prompt: str
    seed: int
    guidance_scale: float
    num_inference_steps: int
    size: int
    lora_scale: float = 1.0
    step: int | None = None


@dataclass(frozen=True)
class Limits:
    """What a number may be, both ends included."""

    least: float
    most: float
    whole: bool = True


LIMITS = {
    "seed": Limits(0, 2**63 - 1),
    "guidance_scale": Limits(0, 50, whole=False),
    "num_inference_steps": Limits(1, 1000),  # SDXL's training timesteps
    "size": Limits(64, 4096),
    "lora_scale": Limits(-2, 4, whole=False),
}


def default_request(config: TrainConfig) -> Request:
    """What the run's first sample picture was asked for with."""
    sample = config.sample
    return Request(
        prompt=sample_prompts(config)[0],
        negative_prompt="",
        seed=config.run.seed if sample.validation_seed is None else sample.validation_seed,
        guidance_scale=sample.guidance_scale,
        num_inference_steps=sample.num_inference_steps,
        size=config.data.resolution,
    )


def problem_of(field: str, text: str) -> EngineError | None:
    """What is wrong with what was typed for a field of Request; None when it can be used."""
    if field == "prompt" and not text.strip():
        return EngineError("The prompt is empty.", "Say what to show, with the trigger word.")
    if field not in LIMITS:
        return None
    name, limits = field.replace("_", " "), LIMITS[field]
    try:
        number = _number(field, text)
    except ValueError:
        kind = "a whole number" if limits.whole else "a number"
        return EngineError(f"The {name} is not {kind}.", f"Type {kind} from {limits.least:g} to {limits.most:g}.")
    if not (isfinite(number) and limits.least <= number <= limits.most):
        return EngineError(f"The {name} is out of range.", f"Choose {limits.least:g} to {limits.most:g}.")
    if field == "size" and number % SIZE_STEP:
        nearest = int(number // SIZE_STEP * SIZE_STEP)
        return EngineError(
            f"A picture cannot be {number} pixels wide.", f"Choose a multiple of {SIZE_STEP}, such as {nearest}."
        )
    return None


def check_numbers(numbers: Mapping[str, int | float]) -> None:
    """Raises EngineError for the first number, by its field of Request, that cannot be used."""
    for field, number in numbers.items():
        if problem := problem_of(field, str(number)):
            raise problem


def read_request(texts: Mapping[str, str], step: int | None) -> Request:
    """The request that was typed, field by field. Raises EngineError for the first field that cannot be used."""
    for field, text in texts.items():
        if problem := problem_of(field, text):
            raise problem
    numbers: dict[str, Any] = {field: _number(field, texts[field]) for field in LIMITS}
    return Request(prompt=texts["prompt"], negative_prompt=texts["negative_prompt"], step=step, **numbers)


def _number(field: str, text: str) -> int | float:
    return int(text) if LIMITS[field].whole else float(text)
