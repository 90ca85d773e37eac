"""A run in one line: its state, and from its last events how fast it is and how long it will take."""

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean

from engine.box.limits import cost_so_far
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Rehearsed, Started, Step, latest_events
from engine.rundir import RunDir, Status, list_runs
from engine.sizes import bytes_in
from engine.summary import TIMED_STEPS
from loratui.runs.examined import Pace

# How far back a step is looked for among what else happened since, so that a long file costs no more than a short one.
MOST_EVENTS = 2000
MOST_RUNS = 20
"""The newest ones, among which one like another is looked for."""
SECONDS_DEPEND_ON = {
    "model": ("pretrained_model_name_or_path", "quantize"),
    "data": ("resolution", "cache_latents"),
    "lora": ("rank", "use_dora", "lora_layers"),
    "text_encoder": ("train_text_encoder", "train_text_encoder_ti"),
    "prior": ("with_prior_preservation",),
    "run": ("train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "num_processes"),
}


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


def measured_pace(config: TrainConfig, runs_dir: Path) -> Pace | None:
    """Seconds a step of the newest run here whose settings make it as fast as `config`, and its name; None without one.

    config: resolved, as a run's is.
    """
    runs = sorted(list_runs(runs_dir), key=lambda run: run.config_file.stat().st_mtime, reverse=True)
    for run in runs[:MOST_RUNS]:
        try:
            alike = _what_seconds_depend_on(run.config()) == _what_seconds_depend_on(config)
        except (EngineError, OSError):
            continue
        seconds = _pace(run)[1] if alike else None
        if seconds is not None:
            return seconds, run.name
    return None


def _what_seconds_depend_on(config: TrainConfig) -> list[object]:
    return [getattr(getattr(config, section), key) for section, keys in SECONDS_DEPEND_ON.items() for key in keys]


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
