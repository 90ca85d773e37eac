"""Steps that have become slow are told once, with the likely cause; so is GPU memory that runs over."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.events import Event, MicroBatchHalved, Phase, Step, Warned
from engine.training.slowdown import WINDOW, GpuMemory, Slowdown, Strain, likely_cause, strain_on
from tests import run_events

GB = 10**9
ROOMY = GpuMemory(reserved=10 * GB, free=13 * GB, total=24 * GB)
AT_EASE = Strain(ROOMY, is_throttled=False, pressure={})


def step(number: int, seconds: float, memory: int | None = None) -> Step:
    return run_events.step(number, seconds=seconds, memory=memory)


def warnings(
    events: Iterable[Event], memory: GpuMemory | None = ROOMY, strain: Strain = AT_EASE
) -> list[tuple[int, str]]:
    """What is said about `events`, each with the number of the step after which it is."""
    told: list[Event] = []
    slowdown = Slowdown(told.append, lambda: memory, lambda: strain)
    for event in events:
        slowdown(event)
    at, found = 0, []
    for event in told:
        if isinstance(event, Step):
            at = event.step
        if isinstance(event, Warned):
            found.append((at, event.message))
    return found


def steps_of(*stretches: tuple[int, float]) -> list[Event]:
    """So many steps of so many seconds, one stretch after another."""
    seconds = [each for count, each in stretches for _ in range(count)]
    return [step(number, each) for number, each in enumerate(seconds, 1)]


def test_steps_that_take_twice_as_long_are_told_once_with_both_times() -> None:
    [(at, message)] = warnings(steps_of((100, 1.0), (400, 2.1)))
    assert 100 + WINDOW // 2 <= at <= 100 + WINDOW
    assert message.startswith(f"At step {at} a step takes 2.1 s, and took 1 s before. ")


def test_they_are_told_again_only_after_they_recovered() -> None:
    assert len(warnings(steps_of((50, 1.0), (50, 2.5), (50, 1.7), (50, 2.5)))) == 1
    assert len(warnings(steps_of((50, 1.0), (50, 2.5), (50, 1.0), (50, 2.5)))) == 2


@pytest.mark.parametrize(
    "stretches",
    [
        ((300, 1.0),),
        ((100, 1.0), (100, 1.9)),
        ((WINDOW, 3.0), (100, 1.0)),
        ((100, 0.02), (100, 0.08)),
        ((100, 1.0), (WINDOW // 2 - 1, 50.0), (100, 1.0)),
    ],
    ids=["even", "not doubled", "a slow start", "milliseconds", "a few very slow ones"],
)
def test_what_is_no_slowdown_is_not_told(stretches: tuple[tuple[int, float], ...]) -> None:
    assert warnings(steps_of(*stretches)) == []


def test_the_time_between_steps_does_not_count() -> None:
    events = [
        each
        for event in steps_of((100, 1.0))
        for each in (event, Phase(phase="sampling", time=1e6), Phase(phase="training", time=2e6))
    ]
    assert warnings(events) == []


def test_halved_micro_batches_are_other_work() -> None:
    halved = MicroBatchHalved(step=100, micro_batch=1, gradient_accumulation_steps=4)
    events = steps_of((100, 1.0), (100, 3.0))
    events.insert(100, halved)
    assert warnings(events) == []
    assert len(warnings([*events, *steps_of((100, 6.5))])) == 1


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"memory": GpuMemory(26 * GB, 0, 24 * GB)}, "torch holds 26 GB, and the GPU has 24 GB"),
        ({"memory": GpuMemory(23 * GB, 0, 24 * GB, may_spill=True)}, "spills into the system's"),
        ({"is_throttled": True}, "throttles itself"),
        ({"memory": GpuMemory(10 * GB, 9 * GB, 24 * GB)}, "Other processes hold 5.0 GB"),
        ({"memory": None, "pressure": {"io": 35.0}}, "waits for the disk"),
        ({"pressure": {"memory": 50.0, "io": 50.0}}, "swaps"),
        ({"pressure": {"cpu": 80.0}}, "Other processes keep the CPU busy"),
        ({"pressure": {"cpu": 19.0, "io": 3.0}}, "Nothing here tells why"),
        ({"memory": GpuMemory(23 * GB, 0, 24 * GB)}, "Nothing here tells why"),
    ],
)
def test_the_likely_cause_is_the_surest_sign(changes: Mapping[str, Any], cause: str) -> None:
    assert cause in likely_cause(replace(AT_EASE, **changes))


def test_a_slowdown_is_told_with_its_cause() -> None:
    [(_, message)] = warnings(steps_of((100, 1.0), (100, 3.0)), strain=Strain(ROOMY, True, {}))
    assert message.endswith(
        "took 1 s before. The GPU throttles itself: it is too hot, or short of power. Look at its cooling."
    )


def test_gpu_memory_that_spills_from_the_first_step_on_is_told_once() -> None:
    events = [step(number, 30.0, memory=20 * GB) for number in range(1, 200)]
    [(at, message)] = warnings(events, memory=GpuMemory(26 * GB, 0, 24 * GB))
    assert at == WINDOW and message.startswith("GPU memory spills into the system's")


def test_gpu_memory_that_begins_to_spill_is_told_with_the_slowdown_alone() -> None:
    events = [step(number, 1.0 if number <= 50 else 40.0, memory=20 * GB) for number in range(1, 200)]
    spilling = GpuMemory(26 * GB, 0, 24 * GB)
    told: list[Event] = []
    slowdown = Slowdown(told.append, lambda: spilling if len(told) > 50 else ROOMY, lambda: Strain(spilling, False, {}))
    for event in events:
        slowdown(event)
    [warning] = [event for event in told if isinstance(event, Warned)]
    assert "took 1 s before. GPU memory spills" in warning.message


def test_gpu_memory_that_is_nearly_full_is_told_once() -> None:
    events = [step(number, 1.0, memory=int(23.9 * GB)) for number in range(1, 200)]
    [(_, message)] = warnings(events)
    assert message.startswith("GPU memory is nearly full: 24 GB of 24 GB were needed at once.")
    assert warnings([step(number, 1.0, memory=22 * GB) for number in range(1, 200)]) == []


def test_a_machine_without_a_gpu_tells_what_its_system_does() -> None:
    strain = strain_on(torch.device("cpu"))
    assert strain.memory is None and not strain.is_throttled
    assert all(0.0 <= percent <= 100.0 for percent in strain.pressure.values())
