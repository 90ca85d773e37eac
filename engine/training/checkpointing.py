"""When a run's checkpoints are due, and how they reach the disk while training goes on."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Self

from engine.config import RunSection
from engine.errors import EngineError
from engine.events import Checkpoint as CheckpointEvent
from engine.events import Event, Phase, Warned
from engine.rundir import Ending, Request, RunDir
from engine.sizes import gigabytes
from engine.training.checkpoints import Checkpoint, remove_unfinished, save_checkpoint
from engine.training.retention import remove_superseded

ENDINGS: tuple[Request, ...] = ("stop_now", "stop", "pause")
# Beside the tensors, a checkpoint has names and hashes; and the run writes events, too.
MARGIN = 2**20
ROOM_SECONDS = 2.0  # between two looks at a full disk
# A run that fails still has its last checkpoint finished, unless the disk hangs.
FINISHING_SECONDS = 120.0
REMEDY = "Make room on the disk, then resume the run."


class Checkpointing:
    """The checkpoints of one run: due by steps, by minutes and on request, written by a thread while steps go on.

    A context around the steps.  The loop is held for the copy of the tensors; where a checkpoint is due while another
    is being written, for that one too, so that there is one copy in memory at most.  emit: called by the loop's thread
    alone.  clock: seconds.
    """

    def __init__(
        self,
        run: RunDir,
        config: RunSection,
        emit: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._config, self._emit, self._clock = run, config, emit, clock
        self._saved_at = clock()
        self._step = 0
        self._writing: Future[Path] | None = None

    def __enter__(self) -> Self:
        """Minutes are counted from now; what a killed worker left half written takes no room."""
        remove_unfinished(self._run)
        self._saved_at = self._clock()
        return self

    def __exit__(self, *_error: object) -> None:
        """Where the loop failed, the checkpoint that is being written is finished: it is of a good step."""
        if self._writing:
            futures.wait([self._writing], FINISHING_SECONDS)
            with suppress(Exception):  # the loop's own failure is the one to tell
                self.tell()

    def due(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps. A request for one is used up by being asked for."""
        asked = self._run.take_request("checkpoint")
        minutes = self._config.checkpointing_minutes
        late = minutes is not None and self._clock() - self._saved_at >= 60 * minutes
        intervals = (self._config.checkpointing_steps, self._config.checkpoints_keep_every)
        return asked or late or any(step % interval == 0 for interval in intervals if interval)

    def save(self, copy: Callable[[], Checkpoint], ending: Ending | None, is_last: bool) -> None:
        """Have the checkpoint that `copy` gives written, once there is room for it.

        The last one, and the one of a run that was asked to end, is waited for.  Raises EngineError when it cannot be
        written; another one's failure is a warning, and the next may fare better.
        """
        self.wait()
        checkpoint = copy()
        self._wait_for_room(checkpoint, ending)
        self._saved_at, self._step = self._clock(), checkpoint.state.step
        self._writing = _in_background(lambda: self._write(checkpoint, keep_all=ending is not None))
        if ending or is_last:
            self.wait(must=True)

    def tell(self) -> None:
        """Say what became of a checkpoint, if one has been written since the last call."""
        if self._writing and self._writing.done():
            self.wait()

    def wait(self, must: bool = False) -> None:
        """Wait for the checkpoint that is being written, if one is. must: a failure is an EngineError."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            folder = writing.result()
        except OSError as error:
            message = f"The checkpoint of step {self._step} could not be written: {error.strerror}."
            if must:
                raise EngineError(message, REMEDY) from error
            self._emit(Warned(message=f"{message} Make room on the disk; training goes on."))
        else:
            self._emit(CheckpointEvent(step=self._step, path=str(folder.relative_to(self._run.path))))

    def _write(self, checkpoint: Checkpoint, keep_all: bool) -> Path:
        """Write it, then let older ones go; not where the run was asked to end, which must not take long."""
        folder = save_checkpoint(self._run, checkpoint)
        if not keep_all:
            self._remove_superseded()
        return folder

    def _remove_superseded(self) -> None:
        if self._config.checkpoints_total_limit:
            with suppress(OSError):  # tried again after the next one
                remove_superseded(self._run, self._config.checkpoints_total_limit, self._config.checkpoints_keep_every)

    def _wait_for_room(self, checkpoint: Checkpoint, ending: Ending | None) -> None:
        """Hold the run while the disk has no room. Raises EngineError where the run is, or was, asked to end."""
        needed = checkpoint.nbytes + MARGIN
        if self._free() < needed:
            self._remove_superseded()  # what an earlier end left
        if (free := self._free()) >= needed:
            return
        problem = (
            f"The checkpoint of step {checkpoint.state.step} needs {gigabytes(needed)}, and {gigabytes(free)} are free "
            f"in {self._run.checkpoints}."
        )
        if not ending:
            self._emit(Warned(message=f"{problem} The run waits: make room on the disk, and it goes on."))
            self._emit(Phase(phase="waiting"))
        while self._free() < needed:
            if ending or any(map(self._run.is_requested, ENDINGS)):
                self._run.clear_requests()
                raise EngineError(problem, REMEDY)
            time.sleep(ROOM_SECONDS)
        self._emit(Phase(phase="training"))

    def _free(self) -> int:
        folder = self._run.checkpoints
        return shutil.disk_usage(folder if folder.exists() else self._run.path).free


def _in_background(task: Callable[[], Path]) -> Future[Path]:
    """Have a thread do `task`. A process that ends does not wait for it."""
    future: Future[Path] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            future.set_exception(error)

    threading.Thread(target=work, name="checkpoint", daemon=True).start()
    return future
