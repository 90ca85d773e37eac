"""A run in one line: its state, and from its last events how fast it is and how long it will take."""

import time
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from engine.box.limits import cost_so_far
from engine.events import Rehearsed, Started, Step, latest_events
from engine.rundir import RunDir, Status
from engine.sizes import bytes_in
from engine.summary import TIMED_STEPS

# How far back a step is looked for among what else happened since, so that a long file costs no more than a short one.
MOST_EVENTS = 2000


@dataclass(frozen=True)
class Overview:
    """effective_lr: of the last step.  eta_seconds: None unless it is running and a step was timed.

    age_seconds: since it was first started; of one that never was, since it was made.  disk: bytes in its folder.
    cost: of the hours that workers were at it; None without price_per_hour.
    """

    run: RunDir
    status: Status
    effective_lr: float | None
    eta_seconds: float | None
    age_seconds: float
    disk: int
    cost: float | None


def overview(run: RunDir) -> Overview:
    """What there is to say about `run` now; reads only the end of its events."""
    status = run.status()
    effective_lr, seconds_per_step = _pace(run)
    eta = None
    if seconds_per_step is not None and status.state == "running":
        eta = (status.total_steps - status.step) * seconds_per_step
    began = status.started or run.config_file.stat().st_mtime
    age = max(time.time() - began, 0.0)  # 0 after the clock was set back
    return Overview(run, status, effective_lr, eta, age, bytes_in(run.path), cost_so_far(run))


def _pace(run: RunDir) -> tuple[float | None, float | None]:
    """The last step's effective learning rate, and seconds a step: measured since the last start, or rehearsed."""
    effective_lr, seconds = None, []
    for event in islice(latest_events(run.events_file), MOST_EVENTS):
        if isinstance(event, Step):
            effective_lr = event.effective_lr if effective_lr is None else effective_lr
            seconds.append(event.seconds)
        elif isinstance(event, Rehearsed) and not seconds:
            seconds.append(event.seconds_per_step)
        if isinstance(event, Started | Rehearsed) or len(seconds) == TIMED_STEPS:
            break
    return effective_lr, fmean(seconds) if seconds else None
