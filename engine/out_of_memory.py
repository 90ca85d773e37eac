"""A full GPU, told with the options that would make the run fit, and what each of them costs."""

from collections.abc import Iterator
from typing import Any

from engine.config import TrainConfig
from engine.errors import EngineError

MOST_OPTIONS = 3
Change = tuple[str, str, dict[str, dict[str, Any]]]
"""What to set, what it costs, and the settings themselves by section."""


def gpu_is_full(config: TrainConfig) -> EngineError:
    """The two sentences of a run that does not fit. config: resolved."""
    options = [f"{what} ({cost})" for what, cost, _ in list(smaller(config))[:MOST_OPTIONS]]
    if not options:
        return EngineError("The GPU ran out of memory.", "This run is as small as it can be: take a larger GPU.")
    return EngineError("The GPU ran out of memory.", f"Start a new run with one of these: {'; '.join(options)}.")


def smaller(config: TrainConfig) -> Iterator[Change]:
    """What would make the run smaller, the one that costs least first.

    The costs: gradient checkpointing computes the forward pass twice, a third more arithmetic (Chen et al., 2016,
    arXiv:1604.06174); SimpleTuner measured 1.8 times the time for an SDXL step on an H100, and half the memory.
    """
    run, data = config.run, config.data
    if run.train_batch_size > 1:
        half, twice = run.train_batch_size // 2, run.gradient_accumulation_steps * run.train_batch_size
        twice = -(-twice // half)
        yield (
            f"train_batch_size = {half} with gradient_accumulation_steps = {twice}",
            "the same learning, a little slower",
            {"run": {"train_batch_size": half, "gradient_accumulation_steps": twice}},
        )
    if not run.gradient_checkpointing:
        yield (
            "gradient_checkpointing = true",
            "the same result, each step takes 1.3 to 1.8 times as long",
            {"run": {"gradient_checkpointing": True}},
        )
    if not run.low_memory and config.model.quantize is None:
        yield (
            "low_memory = true",
            "micro-batches of 1, checkpointing and a base model in 8 bits: slower, and a little less exact",
            {"run": {"low_memory": True}},
        )
    if data.resolution > 768:
        yield ("resolution = 768", "less detail in what is learned", {"data": {"resolution": 768}})
    if config.prior.with_prior_preservation:
        yield (
            "with_prior_preservation = false",
            "half the pictures in a step, but the class may drift",
            {"prior": {"with_prior_preservation": False}},
        )
    if config.lora.rank > 8:
        yield (
            f"rank = {config.lora.rank // 2}",
            "a smaller LoRA, which can hold less",
            {"lora": {"rank": config.lora.rank // 2}},
        )
    if data.resolution > 512:
        yield ("resolution = 512", "much less detail in what is learned", {"data": {"resolution": 512}})
