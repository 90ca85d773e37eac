"""The models on this disk: listed with their sizes, and removed where they are ours to remove."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import EngineError
from engine.mini.model import MINI as MINI_FOLDER
from engine.models.files import find_model, folder_problem, not_on_disk, snapshot_folder
from engine.models.hub import hub_cache
from engine.models.names import MINI, SHORT_NAMES, TINY, drop_name, full_name, given_names

Kind = Literal["SDXL", "VAE", "unfinished", "missing"]


@dataclass(frozen=True)
class StoredModel:
    """A model on this disk.

    name: what configs and commands call it.  path: its folder or file.  size: bytes on the disk.
    stored: what `remove_model` deletes; None for what the user brought, of which only the name is forgotten.
    built_in: whether loratui ships or makes it.
    """

    name: str
    kind: Kind
    path: Path
    size: int
    stored: Path | None
    built_in: bool = False


def stored_models() -> list[StoredModel]:
    """Base models and VAEs: the built-in ones, those in the hub's cache, and those that were given a name."""
    return [*_mini(), *_tiny(), *_from_hub(), *_named()]


def model_path(name: str) -> Path:
    """Where the model lies that `name` stands for. Raises EngineError when it is not on this disk."""
    if path := find_model(name):
        return path
    raise not_on_disk(name)


def removable_model(name: str) -> StoredModel:
    """The model of that name, or hub id, for `remove_model`.

    Raises EngineError when there is none, and for the mini model, which is part of loratui.
    """
    if name == MINI:
        raise EngineError("The model mini ships with loratui.", "Leave it: it is small, and goes when loratui goes.")
    for model in stored_models():
        if name == model.name or (model.name in SHORT_NAMES and name == full_name(model.name)):
            return model
    raise EngineError(f"No model {name} was added here.", "See what there is with: loratui models list")


def remove_model(model: StoredModel) -> None:
    """Delete a model from our cache or the hub's; of what the user brought, only the name is forgotten."""
    if model.stored is None:
        drop_name(model.name)
        return
    # Renamed first, so that a kill in the middle leaves no model that looks whole.
    dying = model.stored.with_name(f".{model.stored.name}.removing")
    shutil.rmtree(dying, ignore_errors=True)
    model.stored.rename(dying)
    shutil.rmtree(dying)


def _mini() -> Iterator[StoredModel]:
    if MINI_FOLDER.is_dir():
        yield StoredModel(MINI, "SDXL", MINI_FOLDER, _size(MINI_FOLDER), None, built_in=True)


def _tiny() -> Iterator[StoredModel]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loratui"
    for folder in sorted(cache.glob("tiny-sdxl-*")):
        yield StoredModel(TINY, "SDXL", folder, _size(folder), folder, built_in=True)


def _from_hub() -> Iterator[StoredModel]:
    short = {hub_id: name for name, hub_id in SHORT_NAMES.items()}
    for repository in sorted(hub_cache().glob("models--*")):
        hub_id = "/".join(repository.name.split("--")[1:])
        snapshot = snapshot_folder(hub_id, None) or next(repository.glob("snapshots/*"), repository)
        kind = _kind(snapshot)
        if any(repository.glob("blobs/*.loratui")) or (kind and folder_problem(snapshot, None)):
            kind = "unfinished"
        if kind:
            yield StoredModel(short.get(hub_id, hub_id), kind, snapshot, _size(repository), repository)


def _named() -> Iterator[StoredModel]:
    for name, path in given_names().items():
        kind = "SDXL" if path.is_file() else _kind(path) or "missing"
        yield StoredModel(name, kind, path, _size(path), None)


def _kind(folder: Path) -> Literal["SDXL", "VAE"] | None:
    """What lies in a diffusers folder, if that is of use here."""
    families: tuple[tuple[str, str, Literal["SDXL", "VAE"]], ...] = (
        ("model_index.json", "StableDiffusionXL", "SDXL"),
        ("config.json", "AutoencoderKL", "VAE"),
    )
    for file, family, kind in families:
        try:
            described = json.loads((folder / file).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(described, dict) and str(described.get("_class_name")).startswith(family):
            return kind
    return None


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder; what several names lead to counts once."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in {file.resolve() for file in files})
