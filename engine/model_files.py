"""Where the base model's files are, told without loading anything: in a folder, in the hub's cache, or out of reach."""

import json
import re
from pathlib import Path

from engine.errors import EngineError
from engine.paths import typed_path
from engine.settings import ModelSection

TINY = "tiny"
HUB_SECONDS = 3.0
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
DOWNLOAD = "Download it first where there is a network: hf download {name}"


def resolve_model(name: str) -> str | Path:
    """What `from_pretrained` is given: the built-in tiny model's folder for 'tiny', a local folder, or the hub id."""
    if name == TINY:
        from engine.tiny import tiny_sdxl  # imports torch and diffusers: 6 s

        return tiny_sdxl()
    folder = typed_path(name)
    return folder if folder.exists() else name


def model_problem(model: ModelSection) -> EngineError | None:
    """Why the base model or its replacement VAE cannot be loaded, or None.

    Without a network it takes milliseconds; a hub that does not answer within HUB_SECONDS counts as out of reach.
    """
    name, vae = model.pretrained_model_name_or_path, model.pretrained_vae_model_name_or_path
    weights = "diffusion_pytorch_model" + (f".{model.variant}" if model.variant else "") + ".safetensors"
    problem = None
    if name != TINY:
        problem = _problem(name, model.revision, ["model_index.json", f"unet/{weights}"]) or _not_sdxl(name)
    if problem is None and vae:
        problem = _problem(vae, None, ["config.json"])
    return problem


def tokenizer_file(model: ModelSection) -> Path | None:
    """The base model's vocabulary, `merges.txt` or `tokenizer.json`, or None where it is not on this disk."""
    name = model.pretrained_model_name_or_path
    for file in ("merges.txt", "tokenizer.json"):
        path = typed_path(name) / "tokenizer" / file
        if path.is_file():
            return path
        if HUB_ID.fullmatch(name) and (cached := _cached(name, model.revision, f"tokenizer/{file}")):
            return cached
    return None


def _cached(name: str, revision: str | None, file: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:  # the base install
        return None
    try:
        found = try_to_load_from_cache(name, file, revision=revision)
    except ValueError:  # what looks like a hub id, and is none
        return None
    return Path(found) if isinstance(found, str) else None


def _problem(name: str, revision: str | None, files: list[str]) -> EngineError | None:
    path = typed_path(name)
    if path.is_dir():
        return None if (path / files[0]).is_file() else _not_diffusers(f"The folder {path}", files[0])
    if path.is_file():
        return EngineError(
            f"The model {path} is a single file, and only diffusers folders are loaded.",
            "Convert it with diffusers: StableDiffusionXLPipeline.from_single_file(FILE).save_pretrained(FOLDER)",
        )
    if not HUB_ID.fullmatch(name) or name.startswith("."):
        return EngineError(f"There is no model folder {path}.", "Check pretrained_model_name_or_path.")
    return _hub_problem(name, revision, files)


def _hub_problem(name: str, revision: str | None, files: list[str]) -> EngineError | None:
    """Whether the hub's cache holds `files` of the repository `name`, or else the hub answers for it."""
    try:
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
        from huggingface_hub.utils import httpx
    except ImportError:  # the base install has no training stack, and says so when training is asked for
        return None
    if all(isinstance(try_to_load_from_cache(name, file, revision=revision), str) for file in files):
        return None
    if constants.is_offline_mode():
        return EngineError(
            f"The model {name} is not on this disk, and HF_HUB_OFFLINE keeps it from being fetched.",
            DOWNLOAD.format(name=name),
        )
    try:
        get_hf_file_metadata(hf_hub_url(name, files[0], revision=revision), timeout=HUB_SECONDS)
    except GatedRepoError:
        return EngineError(f"The hub gives the model {name} only to those whom it let in.", "Run: hf auth login")
    except EntryNotFoundError:
        return _not_diffusers(f"The hub's {name}", files[0])
    except RepositoryNotFoundError:
        return EngineError(
            f"There is no folder {name} here, and no model {name} on the hub that you may see.",
            "Check pretrained_model_name_or_path.",
        )
    except (HfHubHTTPError, httpx.HTTPError, OSError):
        return EngineError(
            f"The model {name} is not on this disk, and the hub does not answer.", DOWNLOAD.format(name=name)
        )
    return None


def _not_diffusers(what: str, missing: str) -> EngineError:
    return EngineError(
        f"{what} is no diffusers model: it has no {missing}.",
        "Name a folder that StableDiffusionXLPipeline.save_pretrained wrote, or a hub id.",
    )


def _not_sdxl(name: str) -> EngineError | None:
    """A local pipeline of another family (SD 1.5, FLUX) would fail deep inside the first step."""
    index = typed_path(name) / "model_index.json"
    if not index.is_file():
        return None
    try:
        family = str(json.loads(index.read_text("utf-8")).get("_class_name"))
    except (ValueError, AttributeError):
        return EngineError(f"{index} is not valid JSON.", "Download the model again.")
    if family.startswith("StableDiffusionXL"):
        return None
    return EngineError(f"The model {name} is a {family}, not an SDXL.", "Name an SDXL base model.")
