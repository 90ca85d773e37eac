"""Run folders as workers leave them, made without a worker."""

import time
from collections.abc import Sequence
from pathlib import Path

from engine.config import TrainConfig
from engine.events import Event, EventWriter, Rehearsed, Started, Step
from engine.rundir import LORA_FILE, RunDir, State, Status, create_run
from engine.training.manifest import OPTIMIZER, STATE, write_manifest
from tests import run_events

TOTAL = 1000


def made_run(
    runs: Path,
    name: str,
    state: State,
    events: Sequence[Event] = (),
    message: str = "",
    checkpoints: Sequence[int] = (),
) -> RunDir:
    """A run that was begun an hour ago, at the step of its last step event, with whole checkpoints of some steps."""
    run = create_run(runs, name, TrainConfig())
    writer = EventWriter(run.events_file)
    for event in events:
        writer.write(event)
    for number in checkpoints:
        folder = run.checkpoints / f"{number:06d}"
        folder.mkdir()
        for file in (LORA_FILE, OPTIMIZER, STATE):
            (folder / file).write_bytes(bytes(1_000_000))
        write_manifest(folder, number, (LORA_FILE, OPTIMIZER, STATE))
    steps = [event.step for event in events if isinstance(event, Step)]
    last = max(steps, default=0)
    run.write_status(
        Status(state=state, step=last, total_steps=TOTAL, loss=0.25, started=time.time() - 3600, message=message)
    )
    return run


def started(name: str, step: int = 0) -> Started:
    return Started(name=name, pid=1, step=step, total_steps=TOTAL, pivot_step=None, photos=4, device="CPU")


def rehearsed(seconds_per_step: float) -> Rehearsed:
    return Rehearsed(seconds_per_step=seconds_per_step, remaining_seconds=0.0, memory=None)


def step(number: int, seconds: float = 2.0, effective_lr: float = 1e-4) -> Step:
    return run_events.step(number, seconds=seconds, d=effective_lr, effective_lr=effective_lr)
