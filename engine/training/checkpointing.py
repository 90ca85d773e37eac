"""When a run's checkpoints are due, and how they are saved."""

import time
from collections.abc import Callable

from engine.config import RunSection
from engine.errors import EngineError
from engine.events import Checkpoint as CheckpointEvent
from engine.events import Event, Warned
from engine.rundir import RunDir
from engine.training.checkpoints import Checkpoint, save_checkpoint


class Checkpointing:
    """The checkpoints of one run: by steps, by minutes and on request. clock: seconds."""

    def __init__(
        self,
        run: RunDir,
        config: RunSection,
        emit: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._config, self._emit, self._clock = run, config, emit, clock
        self._saved_at = clock()

    def __enter__(self) -> None:
        """Training begins: minutes are counted from now."""
        self._saved_at = self._clock()

    def __exit__(self, *_error: object) -> None:
        pass

    def due(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps. A request for one is used up by being asked for."""
        asked = self._run.take_request("checkpoint")
        minutes = self._config.checkpointing_minutes
        late = minutes is not None and self._clock() - self._saved_at >= 60 * minutes
        return asked or late or step % self._config.checkpointing_steps == 0

    def save(self, checkpoint: Checkpoint, must: bool) -> None:
        """must: a failure ends the run; else it is a warning, and the next checkpoint may fare better."""
        self._saved_at = self._clock()
        step = checkpoint.state.step
        try:
            folder = save_checkpoint(self._run, checkpoint)
        except OSError as error:
            message = f"The checkpoint of step {step} could not be written: {error.strerror}."
            if must:
                raise EngineError(message, "Make room on the disk, then resume the run.") from error
            self._emit(Warned(message=f"{message} Make room on the disk; training goes on."))
        else:
            self._emit(CheckpointEvent(step=step, path=str(folder.relative_to(self._run.path))))
