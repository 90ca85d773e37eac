"""Which checkpoints a run keeps, and how the others go: never from under a reader, and never half."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from uuid import uuid4

from engine.rundir import RunDir
from engine.training.manifest import checkpoint_folders, fault


def superseded(run: RunDir, newest: int, keep_every: int | None = None) -> list[Path]:
    """Checkpoints behind the `newest` newest whole ones, but for those whose step is a multiple of `keep_every`.

    Nothing is hashed where nothing can go.
    """
    folders = checkpoint_folders(run)
    if len(folders) <= newest:
        return []
    whole, found = 0, []
    for folder in folders:
        if whole < newest:
            whole += fault(folder) is None
        elif keep_every is None or int(folder.name) % keep_every:
            found.append(folder)
    return found


def remove_superseded(run: RunDir, newest: int, keep_every: int | None) -> None:
    """Remove them, each renamed first, so that nothing that looks whole is half deleted. Raises OSError.

    While something reads a checkpoint of the run they all stay, until the next time.
    """
    if not (folders := superseded(run, newest, keep_every)):
        return
    with suppress(BlockingIOError), _locked(run.checkpoints, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for folder in folders:
            shutil.rmtree(folder.rename(folder.with_name(f".{uuid4().hex}.tmp")))


@contextmanager
def reading(run: RunDir) -> Iterator[None]:
    """Have the run's worker remove none of its checkpoints meanwhile."""
    with _locked(run.checkpoints, fcntl.LOCK_SH) if run.checkpoints.is_dir() else nullcontext():
        yield


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a lock of `kind` on `folder`. Raises BlockingIOError; goes without one where the disk knows none."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, kind)
        except OSError as error:
            if isinstance(error, BlockingIOError):
                raise
        yield
    finally:
        os.close(descriptor)
