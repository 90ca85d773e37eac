"""A run's numbers for tensorboard, wandb or trackio, through accelerate, and its pictures where they may go there."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
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


def tracker_problem(config: TrainConfig) -> EngineError | None:
    """Why the tracker that `config` names cannot be used here: its package is missing. Imports nothing of it."""
    name = config.run.report_to
    if name is None or find_spec(name):
        return None
    return EngineError(
        f"report_to is {name}, and the package {name} is not installed.",
        f"Install it with: pip install {name}, or leave report_to out; events.jsonl has the same numbers.",
    )


@contextmanager
def tracked(run: RunDir, config: TrainConfig, emit: Callable[[Event], None]) -> Iterator[Callable[[Event], None]]:
    """`emit`, joined by the tracker that `config` names, if it names one. Raises EngineError when it does not start."""
    if problem := tracker_problem(config):
        raise problem
    if config.run.report_to is None:
        yield emit
        return
    try:
        tracker = _tracker(run, config.run.report_to)
        tracker.start()
        tracker.store_init_configuration(hparams(config))
    except Exception as error:  # each tracker has its own
        raise EngineError(
            f"The tracker {config.run.report_to} does not start: {type(error).__name__}: {error}.",
            "Mend that, or leave report_to out; events.jsonl has the same numbers.",
        ) from error
    tracking = Tracking(tracker, run, emit, with_pictures=config.run.report_to == LOCAL or config.run.report_samples)
    try:
        yield tracking
    finally:
        tracking.finish()


class Tracking:
    """Passes every event on to `emit`, and the numbers of steps to `tracker` too.

    with_pictures: also the sample pictures.  A tracker that fails is a warning, and is asked no more: it is not worth
    a run.
    """

    def __init__(
        self, tracker: "GeneralTracker", run: RunDir, emit: Callable[[Event], None], with_pictures: bool
    ) -> None:
        self._tracker: Any = tracker
        self._run, self._emit, self._with_pictures = run, emit, with_pictures
        self._works = True

    def __call__(self, event: Event) -> None:
        self._emit(event)
        if isinstance(event, Step):
            self._try(lambda: self._tracker.log(numbers(event), step=event.step))
        if isinstance(event, Sample) and self._with_pictures:
            self._try(lambda: self._log_picture(event))

    def finish(self) -> None:
        """Let the tracker write what it still holds."""
        self._try(self._tracker.finish)

    def _try(self, task: Callable[[], object]) -> None:
        if not self._works:
            return
        try:
            task()
        except Exception as error:  # noqa: BLE001 - whatever it is, training can go on
            self._works = False
            self._emit(Warned(message=f"The tracker {self._tracker.name} failed: {type(error).__name__}: {error}"))

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
