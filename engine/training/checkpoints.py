"""Checkpoints: everything that a resume needs, written whole, with a manifest that proves it.

A checkpoint is a folder `checkpoints/000500`. It is written under a temporary name, its manifest last, and renamed
when all of it is on disk; nothing in it is pickled.  Its LoRA loads in diffusers as it lies:
`pipeline.load_lora_weights("checkpoints/000500")`.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from curation.atomic import sync, write_text
from engine.errors import EngineError
from engine.rundir import RunDir
from engine.training.weights import (
    LORA_FILE,
    TrainedWeights,
    load_weights,
    read_safetensors,
    save_weights,
    write_safetensors,
)

VERSION = 2
OPTIMIZER, STATE, MANIFEST = "optimizer.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True)
class TrainState:
    """Where a run stands. step: optimizer steps done.  pivoted: the text side no longer trains.

    scaler: the fp16 gradient scaler's values, empty for other types.  num_threads: torch's on the CPU; another number
    resumes closely, but not to the bit.
    """

    step: int
    pivoted: bool
    num_threads: int
    scaler: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """All that a resume needs. optimizer: its tensors and scalars, as `optimizer_state` gives them."""

    state: TrainState
    weights: TrainedWeights
    optimizer: tuple[dict[str, Tensor], dict[str, Any]]


def save_checkpoint(run: RunDir, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint` to the run and return its folder. One that is there and whole is left as it is.

    What an earlier worker left half written is removed.  Raises OSError, having removed its own half, when it cannot
    be written.
    """
    folder = run.checkpoints / f"{checkpoint.state.step:06d}"
    for unfinished in run.checkpoints.glob(".*.tmp"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if folder.exists() and not fault(folder):
        return folder
    temporary = run.checkpoints / f".{folder.name}.tmp"
    temporary.mkdir(parents=True)
    try:
        _write(checkpoint, temporary)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)  # or a full disk would stay full
        raise
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    sync(run.checkpoints)
    return folder


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint. Raises EngineError when a file is missing or damaged."""
    tensors, metadata = read_safetensors(folder / OPTIMIZER)
    try:
        state = TrainState(**json.loads((folder / STATE).read_text("utf-8")))
        scalars = json.loads(metadata["scalars"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EngineError(
            f"The checkpoint {folder} cannot be read: {error}.", "Delete it, and resume again."
        ) from error
    return Checkpoint(state, load_weights(folder), (tensors, scalars))


def newest_checkpoint(run: RunDir) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, or None, and a sentence for each newer one that had to be passed over."""
    passed_over = []
    for folder in sorted((path for path in run.checkpoints.glob("[0-9]*") if path.is_dir()), key=_step, reverse=True):
        problem = fault(folder)
        if not problem:
            return folder, passed_over
        passed_over.append(f"The checkpoint {folder.name} is damaged and was passed over: {problem}.")
    return None, passed_over


def fault(folder: Path) -> str | None:
    """What is wrong with a checkpoint, to follow a colon; None when every file is as its manifest says."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["version"] != VERSION:
            return f"it has version {manifest['version']}, and this program reads {VERSION}"
        expected = dict(manifest["files"])
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} cannot be read"
    for name in sorted({LORA_FILE, OPTIMIZER, STATE, *expected}):
        try:
            found = _proof(folder / name)
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if found != expected.get(name):
            return f"{name} is not what was written"
    return None


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    weights = save_weights(checkpoint.weights, folder)
    tensors, scalars = checkpoint.optimizer
    write_safetensors(folder / OPTIMIZER, tensors, {"scalars": json.dumps(scalars)})
    write_text(folder / STATE, json.dumps(asdict(checkpoint.state)) + "\n")
    files = {name: _proof(folder / name) for name in (*weights, OPTIMIZER, STATE)}
    manifest = {"version": VERSION, "step": checkpoint.state.step, "files": files}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _proof(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _step(folder: Path) -> int:
    return int(folder.name) if folder.name.isdigit() else -1
