"""The hub of models: whether it would give a model, and why not, in two sentences."""

import os
import re
import shlex
from pathlib import Path

from engine.errors import EngineError

SECONDS = 3.0  # that the hub may take for an answer, where somebody waits
HUB_ID = re.compile(r"(\w([\w.-]{0,94}\w)?/)?\w([\w.-]{0,94}\w)?", re.ASCII)


def how_to_download(name: str) -> str:
    """The remedy for a model that is not on this disk."""
    return f"Fetch it first where there is a network: loratui models add {shlex.quote(name)}"


def is_hub_id(name: str) -> bool:
    """Whether `name` may be that of a repository on the hub: NAME or USER/NAME, by the hub's rules for them."""
    return HUB_ID.fullmatch(name) is not None and not re.search(r"--|\.\.|\.git$", name)


def hub_cache() -> Path:
    """Where huggingface_hub keeps models: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub."""
    home = os.environ.get("HF_HOME", f"{os.environ.get('XDG_CACHE_HOME', '~/.cache')}/huggingface")
    return Path(os.environ.get("HF_HUB_CACHE", f"{home}/hub")).expanduser()


def repository_folder(name: str) -> Path:
    """Where the hub's cache keeps the model of that hub id: its folder holds `blobs`, `refs` and `snapshots`."""
    return hub_cache() / f"models--{name.replace('/', '--')}"


def hub_token() -> str | bool:
    """The token that the environment holds, in HF_TOKEN; False, which sends none, where it holds none.

    A token that `hf auth login` stored is left alone: on a rented machine it may be somebody else's.
    """
    return os.environ.get("HF_TOKEN") or False


def hub_problem(name: str, revision: str | None, file: str) -> EngineError | None:
    """Why the hub would not give the model `name`, which must hold `file`, or None."""
    try:
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import httpx
    except ImportError:  # the base install has no training stack, and says so when training is asked for
        return None
    if constants.is_offline_mode():
        return hub_error(name, ConnectionError())
    try:
        get_hf_file_metadata(hf_hub_url(name, file, revision=revision), timeout=SECONDS, token=hub_token())
    except (httpx.HTTPError, OSError) as error:
        return hub_error(name, error)
    return None


def hub_error(name: str, error: Exception) -> EngineError:
    """What a failed request for the model `name` means to the user."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if constants.is_offline_mode():
        return EngineError(
            f"The model {name} is not on this disk, and HF_HUB_OFFLINE keeps it from being fetched.",
            "Unset HF_HUB_OFFLINE where there is a network, or name a folder or .safetensors file that is here.",
        )
    if isinstance(error, GatedRepoError):
        return EngineError(
            f"The hub gives the model {name} only to those whom it let in.",
            f"Accept its terms at https://huggingface.co/{name}, and set HF_TOKEN to a token of yours.",
        )
    if isinstance(error, RepositoryNotFoundError):
        return EngineError(
            f"There is no folder {name} here, and no model {name} on the hub that you may see.",
            "Check its name, or set HF_TOKEN if it is private.",
        )
    if isinstance(error, RevisionNotFoundError):
        return EngineError(f"The hub's {name} has no such revision.", "Check revision.")
    if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
        return EngineError(f"The hub's {name} is no diffusers model.", "Name the hub id of an SDXL or a VAE.")
    return EngineError(f"The model {name} is not on this disk, and the hub does not answer.", how_to_download(name))
