"""What may go from a folder of runs: a whole run, old checkpoints, unused caches, and what a kill left half done."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from engine.errors import EngineError
from engine.launcher import is_worked_on
from engine.rundir import RunDir, list_runs
from engine.sizes import bytes_in
from engine.training.retention import superseded

# A file that is being written is renamed within seconds; one this old was left by a kill.
UNFINISHED_SECONDS = 600.0
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Waste:
    """Something that may go. run: whose it is, None of all.  paths: files and folders.  size: bytes.  why: in words."""

    kind: Literal["checkpoint", "cache", "unfinished"]
    run: RunDir | None
    paths: tuple[Path, ...]
    size: int
    why: str


def find_waste(runs_dir: Path, keep: int, unused_days: float) -> list[Waste]:
    """All that may go: of runs that ended, what is older than the `keep` newest whole checkpoints; unused caches.

    A run that is not finished keeps at least its newest whole checkpoint, to go on from.  Cached latents and prompts
    are unused when no run is left, or when none read them for `unused_days`; while a run goes on they all stay.
    """
    runs = list_runs(runs_dir)
    ended = [run for run in runs if not is_worked_on(run)]
    found = [waste for run in ended for waste in (*_old_checkpoints(run, keep), *_unfinished_in_run(run))]
    found += _unfinished(None, runs_dir.glob(".*.tmp"))
    if len(ended) == len(runs):
        found += _unused_caches(runs_dir / ".cache", unused_days if runs else 0.0)
    return found


def remove_waste(waste: Waste) -> None:
    """Remove it. Raises EngineError when its run was resumed meanwhile."""
    with waste.run.lock() if waste.run else nullcontext():
        hidden = [_hide(path) for path in waste.paths if path.exists()] if waste.run else waste.paths
    for path in hidden:
        _delete(path)


def removable(run: RunDir) -> RunDir:
    """The run itself. Raises EngineError for one that is worked on, and for a folder that is no run's."""
    if not run.control.is_dir() and not (run.path / "status.json").is_file():
        raise EngineError(
            f"{run.path} is not a run: it has a config.toml, but neither control/ nor status.json.",
            "Remove it yourself, if that is what you mean.",
        )
    if is_worked_on(run):
        raise EngineError(f"The run {run.name} is going on.", f"Stop it first: loratui stop {run.address}")
    return run


def remove_run(run: RunDir) -> None:
    """Remove the folder of a run: renamed first, so that however this ends, nothing is left that looks whole.

    A link goes with the folder that it leads to.  Raises EngineError as `removable` does.
    """
    removable(run)
    folders = dict.fromkeys((run.path, run.path.resolve()))
    with run.lock():
        hidden = [_hide(folder) for folder in folders]
    for folder in hidden:
        _delete(folder)


def _old_checkpoints(run: RunDir, keep: int) -> Iterator[Waste]:
    """Those behind the newest ones that are whole."""
    kept = keep if run.status().state == "finished" else max(keep, 1)
    for folder in superseded(run, kept):
        yield Waste("checkpoint", run, (folder,), bytes_in(folder), f"checkpoint {folder.name}")


def _unfinished_in_run(run: RunDir) -> Iterator[Waste]:
    """Half-written checkpoints, which only a worker writes, and old half-written files."""
    yield from _unfinished(run, run.checkpoints.glob(".*.tmp"))
    folders = (run.path, run.control, run.samples, run.class_images, run.output)
    files = (path for folder in folders for path in folder.glob(".*.tmp"))
    yield from _unfinished(run, (path for path in files if _is_older(path, UNFINISHED_SECONDS)))


def _unfinished(run: RunDir | None, paths: Iterator[Path]) -> Iterator[Waste]:
    for path in paths:
        yield Waste("unfinished", run, (path,), bytes_in(path), f"unfinished {path.name}")


def _unused_caches(cache: Path, unused_days: float) -> Iterator[Waste]:
    """Of latents and of prompts, the files not read for so long, as far as the disk keeps times of reading."""
    yield from _unfinished(None, (path for path in cache.rglob(".*.tmp") if _is_older(path, UNFINISHED_SECONDS)))
    for folder in sorted(path for path in cache.glob("[!.]*") if path.is_dir()):
        files = tuple(path for path in folder.glob("*.safetensors") if _is_older(path, unused_days * DAY_SECONDS))
        if files:
            since = f"not used for {unused_days:g} days" if unused_days else "of no run that is left"
            yield Waste("cache", None, files, _size(files), f"cached {folder.name} {since}")


def _is_older(path: Path, seconds: float) -> bool:
    """Whether it was last written, and read, so long ago; a time in the future is of a clock that was set back."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    return abs(time.time() - max(stat.st_mtime, stat.st_atime)) >= seconds


def _size(files: Sequence[Path]) -> int:
    return sum(bytes_in(file) for file in files)


def _hide(path: Path) -> Path:
    """Rename to what counts as unfinished."""
    hidden = path.with_name(f".{uuid4().hex}.tmp")
    return path.rename(hidden)


def _delete(path: Path) -> None:
    """Remove a file or a folder; one that is gone already is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
