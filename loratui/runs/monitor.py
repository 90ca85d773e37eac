"""One model of a run's live state, fed by its events; the TUI and the CLI's panels both draw it."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

from curation.text import visible
from engine.box.limits import HOUR, Limit, limit_of
from engine.curves import Curves
from engine.errors import ConfigError
from engine.events import (
    Checkpoint,
    ClassImages,
    Event,
    Failed,
    Finished,
    MicroBatchHalved,
    Paused,
    Phase,
    Pivot,
    Progress,
    Rehearsed,
    Sample,
    Skipped,
    Started,
    Step,
    Stopped,
    Verified,
    Warned,
)
from engine.launcher import is_active
from engine.rundir import RunDir, State, Status
from engine.summary import FIRST, LAST, TIMED_STEPS, Summary

MOST_MESSAGES = 500
MOST_FILES = FIRST + LAST
EVENTS_A_REPORT = 500
WARNING = "warning: "
"""How a message begins that is one."""


class Monitor:
    """A run as its viewers see it: call `refresh`, then read the attributes.

    Of the run only its status is read before the first `refresh`, which may take a second: any thread may call it.

    state: as RunDir.status tells it.  phase, progress: what the worker does now, and (done, total) of it.
    lrs: the last rate of each parameter group.  effective_lrs: Prodigy's d times the UNet's rate, by step.
    seconds_per_step, eta_seconds: from the last steps, and before the first one from the rehearsal; None before that,
    and no ETA when nothing runs.  memory: peak bytes on the GPU.  sample_sets: the sample pictures' paths by
    step.  prompts: of each of these paths.  makes_samples: whether the run has any made.  checkpoints: paths.
    price: of an hour; limit: what ends the run before its last step, if it comes to that; None without.
    messages: what happened, one line each.  warnings: those that are, whole; warning_count: with those forgotten.
    outcome: problem and remedy of a run that failed or died.  Text is made safe to show; it is not escaped for markup.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.name = visible(run.name)
        self.state: State = "queued"
        self.device = ""
        self.photos = 0
        self.phase = ""
        self.progress: tuple[int, int] | None = None
        self.step = 0
        self.total_steps = 0
        self.pivot_step: int | None = None
        self.epoch = 0
        self.loss: float | None = None
        self.prior_loss: float | None = None
        self.lrs: dict[str, float] = {}
        self.effective_lr: float | None = None
        self.d: float | None = None
        self.grad_norm: float | None = None
        self.samples_per_second: float | None = None
        self.memory: int | None = None
        self.sample_sets: dict[int, list[Path]] = {}
        self.prompts: dict[Path, str] = {}
        self.makes_samples = True
        self.checkpoints: list[Path] = []
        self.checkpoint_step = 0
        self.price: float | None = None
        self.limit: Limit | None = None
        self.warnings: deque[str] = deque(maxlen=MOST_MESSAGES)
        self.warning_count = 0
        self.messages: deque[str] = deque(maxlen=MOST_MESSAGES)
        self.message_count = 0
        self.outcome: tuple[str, str] | None = None
        self.verified: Verified | None = None
        self._seconds: deque[float] = deque(maxlen=TIMED_STEPS)
        self._rehearsed_seconds: float | None = None
        self._phase_began: tuple[float, int] | None = None
        self._phase_time = 0.0
        self._curves = Curves()
        self._summary: Summary | None = None
        self._reading = threading.Lock()
        self._has_new_worker = True
        self._is_between_workers = False
        self._status: Status | None = None
        self._take_status(run.status())

    @property
    def samples(self) -> list[Path]:
        """The sample pictures of all steps."""
        return [path for pictures in list(self.sample_sets.values()) for path in pictures]

    @property
    def curves(self) -> Curves:
        """What is drawn of its steps."""
        return self._curves

    @property
    def losses(self) -> list[tuple[int, float]]:
        """Loss by step; over a long run the lowest and the highest of each stretch."""
        return self.curves.losses.points

    @property
    def smoothed_loss(self) -> float | None:
        """The running mean of the loss."""
        return self.curves.losses.mean().value

    @property
    def smoothed_losses(self) -> list[tuple[int, float]]:
        """The running mean of the loss by step; every step counts in it."""
        return self.curves.losses.mean().curve.points

    @property
    def effective_lrs(self) -> list[tuple[int, float]]:
        """The UNet's effective learning rate by step."""
        return self.curves.effective_lrs.points

    @property
    def cost(self) -> float | None:
        """Of the work so far; None without a price."""
        return None if self.price is None or self._status is None else self._status.worked / HOUR * self.price

    @property
    def cost_to_come(self) -> float | None:
        """Of the steps ahead, at the pace of the last ones; None without a price or a pace."""
        return None if self.price is None or self.eta_seconds is None else self.eta_seconds / HOUR * self.price

    @property
    def seconds_to_limit(self) -> float | None:
        """Until the limit ends the run; None where there is none, or where its last step comes before."""
        if self.limit is None or self.eta_seconds is None or self._status is None:
            return None
        seconds = max(self.limit.seconds - self._status.worked, 0.0)
        return seconds if seconds < self.eta_seconds else None

    @property
    def phase_eta_seconds(self) -> float | None:
        """Until what the worker does now is done: of training, `eta_seconds`; None where nobody can know."""
        if self.phase == "training" or not self.progress or not self._phase_began:
            return self.eta_seconds if self.phase == "training" else None
        (began, at), (done, total) = self._phase_began, self.progress
        passed = self._phase_time - began
        return None if done <= at or passed <= 0 else passed / (done - at) * max(total - done, 0)

    @property
    def seconds_per_step(self) -> float | None:
        return fmean(self._seconds) if self._seconds else self._rehearsed_seconds

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until the last step; None when no step was timed or the run is not going on."""
        if self.seconds_per_step is None or self.state != "running" or self._is_between_workers:
            return None
        return (self.total_steps - self.step) * self.seconds_per_step

    @property
    def active(self) -> bool:
        """Whether a worker is at it, or about to be."""
        return self._status is None or is_active(self._status)

    def refresh(self, report: Callable[[int, int], object] = lambda done, total: None) -> bool:
        """Take in what happened since the last call; True if anything did.

        report: told now and then how many bytes are read, of how many; what it raises ends the reading, and the next
        call goes on from there.
        """
        with self._reading:
            # The worker writes its last event before its last status: in this order no end is seen without its event.
            status = self.run.status()
            changed = status != self._status or self._summary is None
            for event in self._events(report):
                changed = True
                self._apply(event)
            if changed:
                self._take_status(status)
            if self._has_new_worker:
                self._has_new_worker = False
                self._take_config()
            return changed

    def _events(self, report: Callable[[int, int], object]) -> Iterator[Event]:
        """What is new; the first time, all that is kept of what was."""
        if self._summary is None:
            self._summary = Summary(self.run)
            self._curves = self._summary.curves
            yield from self._summary.events
        for count, event in enumerate(self._summary.new()):
            yield event
            if count % EVENTS_A_REPORT == 0:
                report(*self._summary.read)

    def _take_status(self, status: Status) -> None:
        looked_dead = self._status is not None and self._status.state == "died"
        self._status = status
        self.state = status.state
        self.total_steps = self.total_steps or status.total_steps
        if status.state == "died":
            self._part_from_worker()
            self.outcome = (visible(status.message), f"Its last words are in {visible(str(self.run.log_file))}.")
        elif looked_dead and status.state != "failed":  # it has ended otherwise, or goes on
            self.outcome = None

    def _take_config(self) -> None:
        """What it costs, what ends it, and whether it makes pictures: a resume may have changed that."""
        try:
            config = self.run.config()
        except ConfigError:  # the worker says so
            return
        self.price, self.limit = config.run.price_per_hour, limit_of(config.run)
        self.makes_samples = config.sample.num_validation_images > 0

    def _apply(self, event: Event) -> None:
        match event:
            case Started():
                self._start(event)
            case Phase():
                self._meet_worker()
                self.phase, self.progress, self._phase_began = visible(event.phase), None, (event.time, 0)
                self._say(f"{self.phase.replace('_', ' ')} ...")
            case Progress():
                self._take_progress(event)
            case Rehearsed():
                self._rehearsed_seconds, self.memory = event.seconds_per_step, event.memory
                self._say(f"rehearsed: {event.seconds_per_step:.2g} s a step, a picture, a checkpoint and an export")
            case ClassImages():
                self._say(f"class images: {event.real} given, {event.generated} generated")
            case MicroBatchHalved():
                photos = "1 photo" if event.micro_batch == 1 else f"{event.micro_batch} photos"
                self._say(
                    f"step {event.step}: the GPU was full; it now gets {photos} at a time, "
                    f"{event.gradient_accumulation_steps} times a step"
                )
            case Step():
                self._take_step(event)
            case Pivot():
                self.pivot_step = event.step
                self._say(f"step {event.step}: the pivot; the text side no longer trains")
            case Skipped():
                photos = ", ".join(event.photos)
                self._say(f"step {event.step} left out: {event.reason} ({photos})")
            case Sample():
                self._take_sample(event)
                self._say(f"step {event.step}: sample {event.path}")
            case Checkpoint():
                _remember(self.checkpoints, self.run.path / event.path)
                self.checkpoint_step = event.step
                self._say(f"step {event.step}: checkpoint {event.path}")
            case Warned():
                self.warnings.append(visible(event.message))
                self.warning_count += 1
                self._say(f"{WARNING}{event.message}")
            case Verified():
                self.verified = event
                self._say(f"{'verified' if event.ok else 'NOT verified'}: {event.message}")
            case Failed():
                self.outcome = (visible(event.problem), visible(event.remedy))
                self._part_from_worker()
                self._say(f"failed: {event.problem} {event.remedy}")
            case Paused() | Stopped() | Finished():
                self._part_from_worker()
                self._say(f"{event.type} at step {event.step}")

    def _part_from_worker(self) -> None:
        """What it did last is not what the next one does first; its pace is told until then."""
        self.phase, self.progress, self._is_between_workers = "", None, True

    def _meet_worker(self) -> None:
        if self._is_between_workers:
            self._is_between_workers = False
            self._seconds.clear()
            self._rehearsed_seconds = None

    def _start(self, event: Started) -> None:
        """A resumed run goes back to its checkpoint: what was recorded after it will be recorded anew."""
        self.sample_sets = {step: paths for step, paths in self.sample_sets.items() if step <= event.step}
        self.checkpoint_step = min(self.checkpoint_step, event.step)
        self.loss = self.losses[-1][1] if self.losses else None
        self.step, self.total_steps, self.pivot_step = event.step, event.total_steps, event.pivot_step
        self.photos, self.device = event.photos, visible(event.device)
        self.outcome, self.verified, self.progress = None, None, None
        self._seconds.clear()
        self._rehearsed_seconds = None
        self._is_between_workers = False
        self._has_new_worker = True
        begun = f"goes on at step {event.step}" if event.step else "starts"
        self._say(f"{event.name} {begun} on {event.device}: {event.photos} photos, {event.total_steps} steps")

    def _take_step(self, event: Step) -> None:
        self.step, self.epoch = event.step, event.epoch
        self.loss, self.prior_loss = event.loss, event.prior_loss
        self.lrs, self.effective_lr, self.d = event.lr, event.effective_lr, event.d
        self.grad_norm, self.samples_per_second, self.memory = event.grad_norm, event.samples_per_second, event.memory
        self._seconds.append(event.seconds)

    def _take_progress(self, event: Progress) -> None:
        phase = visible(event.phase)
        if phase != self.phase or not self._phase_began:
            self._phase_began = (event.time, event.done)
        self.phase, self.progress, self._phase_time = phase, (event.done, event.total), event.time

    def _take_sample(self, event: Sample) -> None:
        path = self.run.path / event.path
        _remember(self.sample_sets.setdefault(event.step, []), path)
        self.prompts[path] = visible(event.prompt)
        if len(self.sample_sets) > MOST_FILES:
            for gone in self.sample_sets.pop(list(self.sample_sets)[FIRST]):
                self.prompts.pop(gone, None)

    def _say(self, message: str) -> None:
        self.messages.append(visible(message))
        self.message_count += 1


def _remember(paths: list[Path], path: Path) -> None:
    """Add a path, once; of too many the first and the last ones stay."""
    if path not in paths:
        paths.append(path)
    if len(paths) > MOST_FILES:
        del paths[FIRST]
