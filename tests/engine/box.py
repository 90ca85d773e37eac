"""Runs that are attended without training: their events are made up, what listens to them is real."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.box import attended, start_on_finish
from engine.config import compose
from engine.events import Event, Started, Warned
from engine.journal import Journal
from engine.rundir import RunDir, create_run
from tests.run_events import events_of

TOTAL = 100


def made_run(folder: Path, name: str = "cat", **settings: Any) -> RunDir:
    """A new run of TOTAL steps with these settings of [run]."""
    return create_run(folder, name, compose(flags={"run": {"max_train_steps": TOTAL, **settings}}).config)


def attend(run: RunDir, *turns: Event | Callable[[], None]) -> None:
    """Have a worker tell events, the last of which is its end; what else happens between them is called."""
    with run.lock(), attended(run, Journal(run)) as emit:
        for turn in turns:
            if isinstance(turn, Event):
                emit(turn)
            else:
                turn()
    end = turns[-1]
    assert isinstance(end, Event)
    start_on_finish(run, end)


def started(step: int = 0) -> Started:
    return Started(name="cat", pid=1, step=step, total_steps=TOTAL, pivot_step=50, photos=4, device="CPU")


def warnings_of(run: RunDir) -> list[str]:
    return [event.message for event in events_of(run) if isinstance(event, Warned)]


def program(path: Path, script: str) -> Path:
    """An executable shell script at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
