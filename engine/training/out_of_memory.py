"""A full GPU, told with the options that would make the run fit, and what each of them costs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.memory import estimate
from engine.plan import resolve

MOST_OPTIONS = 3


@dataclass(frozen=True)
class Option:
    """What would make a run smaller. settings: new values by section and key.  cost: what is paid for it."""

    settings: Mapping[str, Mapping[str, Any]]
    cost: str

    def __str__(self) -> str:
        values = {key: value for section in self.settings.values() for key, value in section.items()}
        written = [
            f"{key} = {str(value).lower() if isinstance(value, bool) else value}" for key, value in values.items()
        ]
        return f"{' with '.join(written)} ({self.cost})"


def gpu_is_full(config: TrainConfig, room: int | None) -> EngineError:
    """The two sentences of a run that does not fit. config: resolved.  room: bytes on the GPU, None if unknown."""
    fitting = (option for option in options(config) if room is None or _fits(config, option, room))
    named = [str(option) for option in islice(fitting, MOST_OPTIONS)]
    if not named:
        return EngineError("The GPU ran out of memory.", "No option makes this run fit: take a GPU with more memory.")
    return EngineError("The GPU ran out of memory.", f"Start a new run with one of these: {'; '.join(named)}.")


def options(config: TrainConfig) -> Iterator[Option]:
    """What makes the run of a resolved config smaller, the cheapest first: each by itself, then two together."""
    single = list(_single_options(config))
    yield from single
    for one, other in combinations(single, 2):
        if one.settings.keys().isdisjoint(other.settings):
            yield Option({**one.settings, **other.settings}, f"{one.cost}; {other.cost}")


def _single_options(config: TrainConfig) -> Iterator[Option]:
    """Cost of gradient checkpointing: a third more arithmetic (Chen et al., 2016, arXiv:1604.06174); SimpleTuner
    measured 1.8 times the time of an SDXL step on an H100, where arithmetic is not what takes the time."""
    run, data = config.run, config.data
    if run.train_batch_size > 1:
        half = run.train_batch_size // 2
        accumulated = -(-run.train_batch_size * run.gradient_accumulation_steps // half)
        settings = {"train_batch_size": half, "gradient_accumulation_steps": accumulated}
        yield Option({"run": settings}, "as many photos in a step, a little slower")
    if not run.gradient_checkpointing:
        yield Option({"run": {"gradient_checkpointing": True}}, "the same result, steps take 1.3 to 1.8 times as long")
    if not run.low_memory:
        yield Option({"run": {"low_memory": True}}, "slower, and the base model in 8 bits is a little less exact")
    for resolution, cost in ((768, "less detail is learned"), (512, "much less detail is learned")):
        if data.resolution > resolution:
            yield Option({"data": {"resolution": resolution}}, cost)
    if config.prior.with_prior_preservation:
        yield Option(
            {"prior": {"with_prior_preservation": False}}, "half the pictures in a step, but the class may drift"
        )
    if config.lora.rank > 8:
        rank = config.lora.rank // 2
        yield Option({"lora": {"rank": rank, "lora_alpha": float(rank)}}, "a LoRA that can hold less")


def _fits(config: TrainConfig, option: Option, room: int) -> bool:
    """Whether the run with `option` takes at most `room` bytes; one that cannot be counted is not promised."""
    sections = {name: getattr(config, name).model_copy(update=dict(values)) for name, values in option.settings.items()}
    try:
        return estimate(resolve(config.model_copy(update=sections))).total <= room
    except EngineError:
        return False
