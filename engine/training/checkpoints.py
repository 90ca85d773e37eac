"""Checkpoints: everything that a resume needs, written whole, with a manifest that proves it.

A checkpoint is a folder `checkpoints/000500`. It is written under a temporary name, its manifest last, and renamed
when all of it is on disk; nothing in it is pickled.  Its LoRA loads in diffusers as it lies:
`pipeline.load_lora_weights("checkpoints/000500")`.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from curation.atomic import sync, write_text
from engine.errors import EngineError
from engine.rundir import RunDir
from engine.training.manifest import OPTIMIZER, STATE, fault, write_manifest
from engine.training.weights import (
    TrainedWeights,
    load_weights,
    read_safetensors,
    save_weights,
    write_safetensors,
)


@dataclass(frozen=True)
class TrainState:
    """Where a run stands. step: optimizer steps done.  pivoted: the text side no longer trains.

    scaler: the fp16 gradient scaler's values, empty for other types.  num_threads: torch's on the CPU, in each of
    num_processes; other numbers resume closely, but not to the bit.  fingerprint: what was trained on, as
    `engine.fingerprint` writes it; None in checkpoints of earlier versions.
    """

    step: int
    pivoted: bool
    num_threads: int
    scaler: dict[str, Any]
    fingerprint: dict[str, Any] | None = None
    num_processes: int = 1


@dataclass(frozen=True)
class Checkpoint:
    """All that a resume needs. optimizer: its tensors and scalars, as `optimizer_state` gives them."""

    state: TrainState
    weights: TrainedWeights
    optimizer: tuple[dict[str, Tensor], dict[str, Any]]

    @property
    def nbytes(self) -> int:
        """Bytes of all its tensors."""
        parts = (self.weights.lora(), self.weights.embeddings(), self.optimizer[0])
        return sum(tensor.nbytes for part in parts for tensor in part.values())


def save_checkpoint(run: RunDir, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint` to the run and return its folder. One that is there and whole is left as it is.

    What an earlier worker left half written is removed.  Raises OSError, having removed its own half, when it cannot
    be written.
    """
    folder = run.checkpoints / f"{checkpoint.state.step:06d}"
    remove_unfinished(run)
    if folder.exists() and not fault(folder):
        return folder
    temporary = run.checkpoints / f".{folder.name}.tmp"
    temporary.mkdir(mode=0o700, parents=True)
    try:
        _write(checkpoint, temporary)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)  # or a full disk would stay full
        raise
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    sync(run.checkpoints)
    return folder


def remove_unfinished(run: RunDir) -> None:
    """Remove what an earlier worker left half written or half removed."""
    for unfinished in run.checkpoints.glob(".*.tmp"):
        shutil.rmtree(unfinished, ignore_errors=True)


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


def _write(checkpoint: Checkpoint, folder: Path) -> None:
    weights = save_weights(checkpoint.weights, folder)
    tensors, scalars = checkpoint.optimizer
    write_safetensors(folder / OPTIMIZER, tensors, {"scalars": json.dumps(scalars)})
    write_text(folder / STATE, json.dumps(asdict(checkpoint.state)) + "\n")
    write_manifest(folder, checkpoint.state.step, (*weights, OPTIMIZER, STATE))
