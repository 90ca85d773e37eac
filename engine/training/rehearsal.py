"""The dress rehearsal: all that a run will do at its end is done before its first step, and taken back to the bit."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from curation.errors import StatedError
from engine.errors import EngineError
from engine.events import Rehearsed
from engine.results.export import export
from engine.results.verify import verify_export
from engine.rundir import RunDir
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.sampling import write_samples
from engine.training.trainer import Trainer

FOLDER = ".rehearsal.tmp"  # in each folder that will be written to; it is gone afterwards, after a kill with `gc`
T = TypeVar("T")


def rehearse(trainer: Trainer) -> Rehearsed:
    """Step, picture, checkpoint, export and its reload, as they will be; the trainer is left as it was, to the bit.

    The step is the run's own with the largest pictures, so that its latents are cached; a micro-batch that had to be
    halved for it stays so.
    Raises EngineError for what fails, which would otherwise have failed after hours.
    """
    trainer.prepare()
    trainer.enter("rehearsal")
    folders = [folder / FOLDER for folder in (trainer.run.samples, trainer.run.checkpoints, trainer.run.output)]
    try:
        with _restored(trainer):
            seconds = _try("training", lambda: _timed_step(trainer))
            if trainer.processes.is_first:
                if trainer.config.sample.num_validation_images:
                    _try("a sample picture", lambda: _sample(trainer, folders[0]))
                _try("a checkpoint", lambda: _checkpoint(trainer, folders[1]))
                _try("the export", lambda: _export(trainer, folders[2]))
    finally:
        for folder in folders if trainer.processes.is_first else ():
            shutil.rmtree(folder, ignore_errors=True)
    steps_left = trainer.plan.total_steps - trainer.step
    return Rehearsed(seconds_per_step=seconds, remaining_seconds=seconds * steps_left, memory=trainer.peak_memory())


def _timed_step(trainer: Trainer) -> float:
    """Seconds of a step; the one before it warms up, as kernels are chosen and memory is reserved in it."""
    steps_left = range(trainer.step, trainer.plan.total_steps)
    position = trainer.batches.largest(steps_left) * trainer.plan.samples_per_step
    trainer.update(position)
    began = time.perf_counter()
    trainer.update(position)
    return time.perf_counter() - began


def _sample(trainer: Trainer, folder: Path) -> None:
    sample = trainer.config.sample.model_copy(update={"num_validation_images": 1})
    config = trainer.config.model_copy(update={"sample": sample})
    next(write_samples(trainer.models, config, folder, trainer.step))


def _checkpoint(trainer: Trainer, folder: Path) -> None:
    load_checkpoint(save_checkpoint(RunDir(folder), trainer.checkpoint()))


def _export(trainer: Trainer, folder: Path) -> None:
    weights = trainer.weights()
    files = export(weights, folder, trainer.run.name, trainer.config)
    verification = verify_export(weights, files, trainer.models)
    if not verification.ok:
        raise EngineError(
            f"the exported files do not hold what was trained: {verification.message}.",
            "Report this; a run would have ended so.",
        )


@contextmanager
def _restored(trainer: Trainer) -> Iterator[None]:
    """What a step changes is put back: weights, the optimizer's state, the scaler, the random state."""
    optimizer, scaler = trainer.optimizer, trainer.scaler.state_dict()
    parameters = [_kept(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        parameter: {key: _kept(value) for key, value in values.items()} for parameter, values in optimizer.state.items()
    }
    settings = [dict(group) for group in optimizer.param_groups]
    with torch.random.fork_rng(devices=[trainer.device] if trainer.device.type == "cuda" else []):
        try:
            yield
        finally:
            with torch.no_grad():
                for put_back in parameters:
                    put_back()
                optimizer.state.clear()
                for parameter, values in state.items():
                    optimizer.state[parameter] = {key: put_back() for key, put_back in values.items()}
            for group, before in zip(optimizer.param_groups, settings, strict=True):
                group.clear()
                group.update(before)
            trainer.scaler.load_state_dict(scaler)


def _kept(value: Any) -> Callable[[], Any]:
    """What gives `value` back as it is now: a tensor in its place, copied from outside the GPU."""
    if not isinstance(value, torch.Tensor):
        return lambda: value
    copy = value.detach().to("cpu", copy=True)
    return lambda: value.copy_(copy)


def _try(what: str, act: Callable[[], T]) -> T:
    """Raises EngineError, naming `what`, for whatever `act` raises but a full GPU, which the run has words for."""
    try:
        return act()
    except torch.OutOfMemoryError:
        raise
    except StatedError as error:
        raise EngineError(f"The rehearsal failed at {what}: {error.problem}", error.remedy) from error
    except OSError as error:
        raise EngineError(
            f"The rehearsal failed at {what}: {error.strerror or error}.",
            "Make room on the disk, or make the run's folder writable, and start again.",
        ) from error
    except Exception as error:
        raise EngineError(
            f"The rehearsal failed at {what}: {type(error).__name__}: {error}.", "Mend that, and start again."
        ) from error
