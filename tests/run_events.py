"""Events of runs, as tests make, read and await them."""

import time
from collections.abc import Callable
from typing import Any

from engine import launcher
from engine.events import Event, EventFollower, Step
from engine.rundir import RunDir

GIVE_UP_SECONDS = 240.0


def step(number: int, loss: float = 0.25, **others: Any) -> Step:
    """A step as a run tells it, with other values where they matter."""
    usual = {
        "epoch": 1,
        "prior_loss": None,
        "lr": {"unet": 1.0},
        "d": 1e-4,
        "effective_lr": 1e-4,
        "grad_norm": 0.1,
        "seconds": 0.1,
        "samples_per_second": 10.0,
        "memory": None,
    }
    return Step(step=number, loss=loss, **(usual | others))


def events_of(run: RunDir) -> list[Event]:
    """All events of a run; a torn line is none."""
    return EventFollower(run.events_file).new()


def wait_until(run: RunDir, condition: Callable[[list[Event]], bool]) -> None:
    """Follow the run's events until they fulfil `condition`."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition(events_of(run)):
        assert time.monotonic() < deadline, f"gave up waiting; log:\n{run.log_file.read_text()}"
        assert launcher.is_active(run.status()), run.status().message
        time.sleep(0.05)
