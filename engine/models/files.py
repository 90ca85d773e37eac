"""Where a model's files are, told without loading anything: a folder, one file, a place in the hub's cache, or none."""

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from curation.model_files import PICKLE_REMEDY, holds_pickles, unsafe_file
from curation.text import visible
from engine.errors import EngineError
from engine.mini.model import MINI as MINI_FOLDER
from engine.models.checkpoint_header import checkpoint_problem, read_header
from engine.models.hub import how_to_download, hub_problem, is_hub_id, repository_folder
from engine.models.names import MINI, TINY, full_name
from engine.paths import is_there, typed_path
from engine.settings import ModelSection

VOCABULARIES = ("merges.txt", "tokenizer.json")  # either holds all of a tokenizer's merges

# The parts of a diffusers folder that hold weights, and how their files' names begin.
WEIGHTS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
}


def resolve_model(name: str) -> str | Path:
    """What `from_pretrained` is given: a folder or file on this disk, a built-in model's, or the hub id."""
    if name == MINI:
        return MINI_FOLDER
    if name == TINY:
        from engine.models.tiny import tiny_sdxl  # imports torch and diffusers: 6 s

        return tiny_sdxl()
    name = full_name(name)
    path = typed_path(name)
    return path if is_there(path) else name


def find_model(name: str, revision: str | None = None, variant: str | None = None) -> Path | None:
    """The folder or file on this disk that `name` stands for, or None.

    Of a hub id it is the snapshot in the hub's cache, if all that is loaded of it is there.
    """
    where = resolve_model(name)
    if isinstance(where, Path):
        return where if is_there(where) else None
    snapshot = snapshot_folder(where, revision)
    return snapshot if snapshot and folder_problem(snapshot, variant) is None else None


def not_on_disk(name: str) -> EngineError:
    """What to say where `find_model` finds nothing."""
    if name == MINI:
        return EngineError(
            f"The mini model is missing from this installation: there is no {MINI_FOLDER}.",
            "Install loratui again, or train the model anew with: python -m engine.mini.pretrain",
        )
    return EngineError(f"The model {name} is not on this disk.", how_to_download(name))


def is_checkpoint(path: Path) -> bool:
    """Whether it is a single file with all of a model, and not a folder."""
    return path.is_file()


def weight_files(names: Collection[str], part: str, variant: str | None) -> list[str]:
    """The files among `names` that hold the weights of `part` ("" is the root) in that variant: one, or shards."""
    stem = WEIGHTS.get(part, "diffusion_pytorch_model")
    before = f"{part}/{stem}" if part else stem
    marked = rf"\.{re.escape(variant)}" if variant else ""
    weights = rf"{re.escape(before)}{marked}(-\d+-of-\d+)?\.safetensors"
    index_of_shards = rf"{re.escape(before)}\.safetensors\.index{marked}\.json"
    return sorted(name for name in names if re.fullmatch(f"{weights}|{index_of_shards}", name))


def variant_on_disk(folder: Path, part: str, variant: str | None) -> str | None:
    """The variant to load `part` in: the one that is asked for, else the plain files, else fp16 where only it is there.

    Raises EngineError when there is none.
    """
    names = _names(folder, part)
    for choice in [variant] if variant else [None, "fp16"]:
        if weight_files(names, part, choice):
            return choice
    wanted = f"{variant} weights" if variant else "weights"
    remedy = PICKLE_REMEDY if holds_pickles(folder / part) else "Download it again, or check variant."
    raise EngineError(f"The model in {folder} has no {wanted} of its {part or 'VAE'} in .safetensors.", remedy)


def model_identity(model: ModelSection) -> str:
    """Changes with the weights that `model` names, in base or replacement VAE; the same wherever they lie.

    No weights are read but the mini model's, which every installation writes at another time.  Raises EngineError when
    they are not on this disk.
    """
    named = [(model.pretrained_model_name_or_path, model.revision, model.variant)]
    if model.pretrained_vae_model_name_or_path:
        named.append((model.pretrained_vae_model_name_or_path, None, None))
    stamps: list[object] = [model.variant]
    for name, revision, variant in named:
        path = find_model(name, revision, variant)
        if path is None:
            raise not_on_disk(name)
        stamps.append(_identity(path))
    return hashlib.blake2b(json.dumps(stamps).encode(), digest_size=16).hexdigest()


def model_problem(model: ModelSection) -> EngineError | None:
    """Why the base model or its replacement VAE cannot be loaded, or None.

    Without a network it takes milliseconds; a hub that does not answer within model_hub.SECONDS counts as out of reach.
    """
    return _base_problem(model) or _vae_problem(model)


def tokenizer_file(model: ModelSection) -> Path | None:
    """The base model's vocabulary, `merges.txt` or `tokenizer.json`, or None where it is not on this disk.

    A single file brings none: it is used with OpenAI's, as SDXL is.
    """
    if model.pretrained_model_name_or_path == TINY:
        return None
    where = resolve_model(model.pretrained_model_name_or_path)
    folder = where if isinstance(where, Path) else snapshot_folder(where, model.revision)
    files = [folder / "tokenizer" / name for name in VOCABULARIES] if folder else []
    return next((file for file in files if file.is_file()), None)


def folder_problem(folder: Path, variant: str | None, replaces_vae: bool = False) -> EngineError | None:
    """Why the SDXL, or the VAE alone, that lies in `folder` cannot be loaded, or None; only headers are read.

    replaces_vae: another VAE is configured.
    """
    try:
        if not (folder / "model_index.json").is_file():
            _check_weights(folder, "", variant)
            _check_family(folder / "config.json", "AutoencoderKL", "a VAE of SDXL's kind")
            return None
        _check_family(folder / "model_index.json", "StableDiffusionXL", "an SDXL")
        for part in ("tokenizer", "tokenizer_2"):
            if not any((folder / part / file).is_file() for file in VOCABULARIES):
                return _not_diffusers(folder, f"{part}/{VOCABULARIES[0]}")
        for part in WEIGHTS:
            if not (part == "vae" and replaces_vae):
                _check_weights(folder, part, variant)
    except EngineError as problem:
        return problem
    return None


def _base_problem(model: ModelSection) -> EngineError | None:
    name, replaces_vae = model.pretrained_model_name_or_path, model.pretrained_vae_model_name_or_path is not None
    if name == TINY:
        return None
    path = find_model(name, model.revision, model.variant)
    if path is None:
        return _absent(name, model.revision, "model_index.json")
    if is_checkpoint(path):
        return checkpoint_problem(path, replaces_vae)
    if not (path / "model_index.json").is_file():
        return _not_diffusers(path, "model_index.json")
    return folder_problem(path, model.variant, replaces_vae)


def _vae_problem(model: ModelSection) -> EngineError | None:
    name = model.pretrained_vae_model_name_or_path
    if name is None:
        return None
    path = None if name == TINY else find_model(name)
    if path is None and name != TINY:
        return _absent(name, None, "config.json")
    if path is None or (path / "model_index.json").is_file():
        return EngineError(
            f"The VAE {path or name} is a whole model.", "Name sdxl-vae-fp16, or a folder that holds a VAE alone."
        )
    if is_checkpoint(path):
        return EngineError(f"The VAE {path} is a single file.", "Name sdxl-vae-fp16, a hub id or a diffusers folder.")
    return folder_problem(path, None)


def _check_weights(folder: Path, part: str, variant: str | None) -> None:
    """Raises EngineError when the config or the weights of `part` are not there, are cut short, or not safe to load."""
    if not (folder / part / "config.json").is_file():
        raise _not_diffusers(folder, str(Path(part) / "config.json"))
    if unsafe := unsafe_file(folder / part):
        raise EngineError(
            f"The {part or 'VAE'} in {folder} is not loaded: {unsafe}.",
            "Only weights in .safetensors files of its own are read; take the model from somebody whom you trust.",
        )
    for name in weight_files(_names(folder, part), part, variant_on_disk(folder, part, variant)):
        if name.endswith(".safetensors"):
            read_header(folder / name)


def _names(folder: Path, part: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in (folder / part).glob("*")}


def snapshot_folder(name: str, revision: str | None) -> Path | None:
    """What the hub's cache holds of a repository at that revision, be it all or not."""
    if not is_hub_id(name):
        return None
    repository = repository_folder(name)
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = repository / "snapshots" / (commit or "")
    return snapshot if commit and snapshot.is_dir() else None


def _identity(path: Path) -> list[Any]:
    """Of a snapshot of the hub the commit, of the mini model the content; else names, sizes and times of change."""
    if path.parent.name == "snapshots":
        return _commit(path)
    return _digests(path) if path == MINI_FOLDER else _stamp(path)


def _commit(snapshot: Path) -> list[str]:
    """The commit, and which weights of it are there: a later download may add others."""
    return [snapshot.name, *sorted(str(file.relative_to(snapshot)) for file in snapshot.rglob("*.safetensors"))]


def _digests(folder: Path) -> list[tuple[str, str]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [(file.relative_to(folder).as_posix(), hashlib.blake2b(file.read_bytes()).hexdigest()) for file in files]


def _stamp(path: Path) -> list[tuple[str, int, int]]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    stats = [(file.name if file == path else file.relative_to(path).as_posix(), file.stat()) for file in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _absent(name: str, revision: str | None, file: str) -> EngineError | None:
    """Of what is not on this disk: None when the hub has it, and it can be fetched."""
    if name == MINI:
        return not_on_disk(name)
    name = full_name(name)
    if not is_hub_id(name):
        return EngineError(
            f"There is no model folder {typed_path(name)}.", "Check the path, or see: loratui models list"
        )
    return hub_problem(name, revision, file)


def _not_diffusers(folder: Path, missing: str) -> EngineError:
    return EngineError(
        f"The folder {folder} is no diffusers model: it has no {missing}.",
        "Name a folder that StableDiffusionXLPipeline.save_pretrained wrote, a .safetensors checkpoint, or a hub id.",
    )


def _check_family(config: Path, family: str, wanted: str) -> None:
    """Raises EngineError for another family (SD 1.5, FLUX), which would fail deep inside the first step."""
    try:
        found = str(json.loads(config.read_text("utf-8"))["_class_name"])
    except (ValueError, KeyError, TypeError):
        raise EngineError(f"{config} is no config of diffusers.", "Download the model again.") from None
    if not found.startswith(family):
        raise EngineError(f"The model in {config.parent} is a {visible(found)}, not {wanted}.", "Name another one.")
