"""What proves a checkpoint: its manifest, told without loading a tensor."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curation.atomic import write_text
from engine.errors import EngineError
from engine.rundir import LORA_FILE, RunDir, free_name

VERSION = 2
OPTIMIZER, STATE, MANIFEST = "optimizer.safetensors", "state.json", "manifest.json"
DAMAGED = "damaged-"
EMBEDDINGS_FILE = "embeddings.safetensors"
ADAPTER_METADATA = "lora_adapter_metadata"
"""The key, in the metadata of a LoRA's file, of the JSON that diffusers reloads rank, alpha and DoRA from."""


def write_manifest(folder: Path, step: int, names: Iterable[str]) -> None:
    """Write down size and SHA-256 of the files `names` of a checkpoint, which are all there."""
    files = {name: _proof(folder / name) for name in names}
    write_text(folder / MANIFEST, json.dumps({"version": VERSION, "step": step, "files": files}, indent=2) + "\n")


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


def newest_checkpoint(run: RunDir) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, or None, and a sentence for each newer one that had to be passed over."""
    passed_over = []
    for folder in checkpoint_folders(run):
        problem = fault(folder)
        if not problem:
            return folder, passed_over
        passed_over.append(f"The checkpoint {folder.name} is damaged and was passed over: {problem}.")
    return None, passed_over


def set_aside_damaged(run: RunDir) -> None:
    """Rename the checkpoints of a run that has no whole one, so that it can begin anew and they are kept."""
    for folder in checkpoint_folders(run):
        folder.rename(run.checkpoints / free_name(run.checkpoints, f"{DAMAGED}{folder.name}"))


def set_aside(run: RunDir) -> list[Path]:
    """What `set_aside_damaged` has renamed."""
    return sorted(run.checkpoints.glob(f"{DAMAGED}*"))


def find_checkpoint(run: RunDir, step: int | None = None) -> Path:
    """The run's newest whole checkpoint, or the one of `step`. Raises EngineError when it is not there or damaged."""
    steps = sorted(_step(folder) for folder in checkpoint_folders(run))
    remedy = f"The run's checkpoints are at steps: {', '.join(map(str, steps)) or 'none'}."
    if step is None:
        folder, _ = newest_checkpoint(run)
        if folder is None:
            raise EngineError(f"The run {run.name} has no whole checkpoint.", remedy)
        return folder
    folder = run.checkpoints / f"{step:06d}"
    if not folder.is_dir():
        raise EngineError(f"The run {run.name} has no checkpoint of step {step}.", remedy)
    if problem := fault(folder):
        raise EngineError(f"The checkpoint of step {step} cannot be used: {problem}.", remedy)
    return folder


def checkpoint_folders(run: RunDir) -> list[Path]:
    """The folders of a run's checkpoints, newest first, whole or not."""
    folders = [path for path in run.checkpoints.glob("[0-9]*") if path.name.isdecimal() and path.is_dir()]
    return sorted(folders, key=_step, reverse=True)


def _proof(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _step(folder: Path) -> int:
    return int(folder.name)
