"""A run's numbers for tensorboard, wandb or trackio, through accelerate, and its pictures where they may go there."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

from curation.redaction import HIDDEN
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Event, Sample, Step, Warned
from engine.rundir import RunDir

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "loratui"
LOCAL = "tensorboard"  # writes into the run's folder; the others send to a server what they are given
NOT_NUMBERS = ("step", "time", "lr")
ELSEWHERE = "events.jsonl has the same numbers."
# wandb asks a server before it starts, and at its end hands over the pictures that still wait.
START_SECONDS, FINISH_SECONDS = 120.0, 60.0
MOST_WAITING = 1000
"""Steps: more is a tracker that hangs, not a slow one."""


def tracker_problem(config: TrainConfig) -> EngineError | None:
    """Why the tracker that `config` names cannot be used here: its package is missing. Imports nothing of it."""
    name = config.run.report_to
    if name is None or find_spec(name):
        return None
    return EngineError(
        f"report_to is {name}, and the package {name} is not installed.",
        f"Install it with: pip install {name}, or leave report_to out; {ELSEWHERE}",
    )


@contextmanager
def tracked(run: RunDir, config: TrainConfig, emit: Callable[[Event], None]) -> Iterator[Callable[[Event], None]]:
    """`emit`, joined by the tracker that `config` names, if it names one. Raises EngineError when it does not start."""
    if problem := tracker_problem(config):
        raise problem
    name = config.run.report_to
    if name is None:
        yield emit
        return

    def start() -> "GeneralTracker":
        tracker = _tracker(run, name)
        tracker.start()
        tracker.store_init_configuration(hparams(config))
        return tracker

    tracking = Tracking(start, name, run, emit, with_pictures=name == LOCAL or config.run.report_samples)
    try:
        yield tracking
    finally:
        tracking.finish()


class Tracking:
    """Passes every event on to `emit`, and the numbers of steps to a tracker too.

    start: makes the tracker.  with_pictures: it gets the sample pictures as well.  The tracker has a thread of its own,
    so that it never holds up the run; one that fails or hangs is a warning, and is asked no more: it is not worth a
    run.  Raises EngineError when it does not start.
    """

    def __init__(
        self,
        start: Callable[[], "GeneralTracker"],
        name: str,
        run: RunDir,
        emit: Callable[[Event], None],
        with_pictures: bool,
    ) -> None:
        self._name, self._run, self._emit, self._with_pictures = name, run, emit, with_pictures
        self._tracker: Any = None
        self._waiting: Queue[Event | None] = Queue(MOST_WAITING)
        self._started: Future[None] = Future()
        self._works, self._failure = True, ""
        self._thread = Thread(target=self._track, args=(start,), name="tracker", daemon=True)
        self._thread.start()
        try:
            self._started.result(START_SECONDS)
        except Exception as error:
            said = f"no answer in {START_SECONDS:g} s" if isinstance(error, TimeoutError) else _told(error)
            raise EngineError(
                f"The tracker {name} does not start: {said}.", f"Mend that, or leave report_to out; {ELSEWHERE}"
            ) from error

    def __call__(self, event: Event) -> None:
        self._emit(event)
        if isinstance(event, Step) or (isinstance(event, Sample) and self._with_pictures):
            self._give(event)

    def finish(self) -> None:
        """Let the tracker write what it still holds."""
        self._give(None)
        if self._works:
            self._thread.join(FINISH_SECONDS)
            is_done = not self._thread.is_alive()
            self._give_up_if(self._failure if is_done else f"it did not finish in {FINISH_SECONDS:g} s")

    def _give(self, event: Event | None) -> None:
        """Let the tracker's thread have it, unless that has failed, which is told here: events come from one thread."""
        self._give_up_if(self._failure)
        if self._works:
            try:
                self._waiting.put_nowait(event)
            except Full:
                self._give_up_if(f"it hangs, with {MOST_WAITING} steps waiting")

    def _give_up_if(self, reason: str) -> None:
        if reason and self._works:
            self._works = False
            self._emit(Warned(message=f"The tracker {self._name} failed: {reason}; {ELSEWHERE}"))

    def _track(self, start: Callable[[], "GeneralTracker"]) -> None:
        """The thread: one event after another, until there is no more, or the first failure."""
        try:
            self._tracker = start()
        except Exception as error:  # noqa: BLE001 - each tracker has its own
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        try:
            while event := self._waiting.get():
                if isinstance(event, Step):
                    self._tracker.log(numbers(event), step=event.step)
                elif isinstance(event, Sample):
                    self._log_picture(event)
            self._tracker.finish()
        except Exception as error:  # noqa: BLE001 - whatever it is, training can go on
            self._failure = _told(error)

    def _log_picture(self, sample: Sample) -> None:
        path = self._run.path / sample.path
        key = f"sample/{path.stem.rpartition('-')[2]}"
        tracker = self._tracker
        if tracker.name == "trackio":  # accelerate has no pictures for it
            import trackio  # pyright: ignore[reportMissingImports]

            tracker.log({key: trackio.Image(str(path), caption=sample.prompt)}, step=sample.step)
            return
        import numpy as np
        from PIL import Image

        with Image.open(path) as picture:
            pictures = np.asarray(picture.convert("RGB"))[None]
        layout = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
        tracker.log_images({key: pictures}, step=sample.step, **layout)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def numbers(step: Step) -> dict[str, float]:
    """A step's numbers by name, each rate under its parameter group's: lr/unet, lr/text."""
    plain = {key: value for key, value in dataclasses.asdict(step).items() if key not in NOT_NUMBERS}
    rates = {f"lr/{name}": rate for name, rate in step.lr.items()}
    return {key: value for key, value in {**plain, **rates}.items() if value is not None}


def hparams(config: TrainConfig) -> dict[str, str | float]:
    """Every setting as section.key: plain values, as trackers want them, without addresses, which may hold secrets."""
    return {
        f"{section}.{key}": _plain(value)
        for section, values in config.model_dump().items()
        for key, value in values.items()
    }


def _plain(value: object) -> str | float:
    if isinstance(value, float | int):
        return value
    text = "none" if value is None else str(value)
    return HIDDEN if "://" in text else text


def _tracker(run: RunDir, name: str) -> "GeneralTracker":
    """Not started yet. A resumed run goes on where it was: under the same folder, or the same id."""
    from accelerate import PartialState
    from accelerate.tracking import TensorBoardTracker, TrackioTracker, WandBTracker  # 3 s: torch

    PartialState()  # the trackers ask it whether they stand in the main process
    if name == LOCAL:
        (run.path / LOCAL).mkdir(mode=0o700, exist_ok=True)
        return TensorBoardTracker(run.name, logging_dir=run.path / LOCAL)
    if name == "trackio":
        return TrackioTracker(PROJECT, name=run.name, resume="allow")
    identity = blake2b(f"{run.path}/{run.status().started}".encode(), digest_size=8).hexdigest()
    return WandBTracker(PROJECT, name=run.name, dir=str(run.path), id=identity, resume="allow")
