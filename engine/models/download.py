"""Fetch a model from the hub into its cache: only what SDXL needs, and taken up again where the line broke."""

import fcntl
import functools
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.errors import EngineError
from engine.extras import require
from engine.models.files import WEIGHTS, weight_files
from engine.models.hub import hub_cache, hub_error, hub_token, is_hub_id, repository_folder
from engine.models.names import BUILT_IN, full_name

OnProgress = Callable[[int, int], None]

TRIES = 5
"""Attempts in a row that bring nothing new before it is given up."""

SHA256_DIGITS = 64  # the etag of a large file is its hash, of a small one git's id

SMALL_FILE = re.compile(
    r"model_index\.json|((unet|vae|text_encoder|text_encoder_2)/)?config\.json"
    r"|tokenizer(_2)?/[\w.-]+\.(json|txt)|scheduler/scheduler_config\.json"
)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.  size: bytes.  etag: its name in the hub's cache; for a large file also its sha256."""

    name: str
    size: int
    etag: str


def download_model(
    name: str,
    revision: str | None = None,
    variant: str | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Path:
    """Fetch what is missing of a model, and return its folder in the hub's cache.

    variant: of the weights; None: fp16 where the repository has it, else the plain ones.  on_progress: told
    (bytes there, bytes in all).  Weights that are cut off stay beside the whole ones, and a later call goes on with
    them; huggingface_hub 2 itself begins each file anew.
    Raises EngineError when the hub refuses or does not answer, there is no room, or it holds neither SDXL nor a VAE.
    """
    require("train", "loratui models add")
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import httpx, tqdm

    name = full_name(name)
    if name in BUILT_IN:
        raise EngineError(
            f"The model {name} is built in, and nothing is to be fetched.", "Name it where a model is named."
        )
    if not is_hub_id(name):
        raise EngineError(f"There is no model {name}.", "Give a hub id (user/name), a folder or a .safetensors file.")
    try:
        commit, files = _listing(name, revision, variant)
        transfer = _Transfer(
            name, commit, repository_folder(name) / "blobs", on_progress, sum(file.size for file in files)
        )
        transfer.check_room(files)
        for file in files:
            transfer.fetch(file)
        # The content is there: this gives it its names, and remembers the revision.
        wanted = [file.name for file in files]
        no_bar: Any = functools.partial(tqdm, disable=True)
        folder = snapshot_download(
            name, revision=revision, cache_dir=hub_cache(), allow_patterns=wanted, token=hub_token(), tqdm_class=no_bar
        )
        return Path(folder)
    except (httpx.HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise EngineError(
                f"The model {name} cannot be stored: {error}.", "Set HF_HOME to a folder that is yours."
            ) from error
        raise hub_error(name, error) from error


def wanted_files(names: Collection[str], variant: str | None) -> list[str]:
    """The files of a repository that SDXL, or a VAE alone, is loaded from, with each part's weights once.

    variant: of the weights; None: fp16 where a part has it, else the plain ones.  Empty when some part has none.
    """
    parts = list(WEIGHTS) if "model_index.json" in names else [""]
    choices = [variant] if variant else ["fp16", None]
    weights = [next(filter(None, (weight_files(names, part, choice) for choice in choices)), []) for part in parts]
    if not all(weights):
        return []
    return sorted({name for name in names if SMALL_FILE.fullmatch(name)}.union(*weights))


def _listing(name: str, revision: str | None, variant: str | None) -> tuple[str, list[RemoteFile]]:
    """The commit that `revision` is now, and the files that are wanted of it."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(token=hub_token())
    commit = str(api.model_info(name, revision=revision).sha)
    entries = api.list_repo_tree(name, recursive=True, revision=commit)
    files = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
    wanted = wanted_files(files, variant)
    if not wanted:
        raise EngineError(
            f"The hub's {name} holds no SDXL and no VAE in .safetensors, as diffusers lays them out.",
            "Name another, check variant, or download a single .safetensors file and name that.",
        )
    return commit, [_remote(files[path]) for path in wanted]


def _remote(entry: Any) -> RemoteFile:
    if entry.lfs:
        return RemoteFile(entry.path, entry.lfs.size, entry.lfs.sha256)
    return RemoteFile(entry.path, entry.size, entry.blob_id)


@dataclass
class _Transfer:
    """A download under way.  blobs: where the hub's cache keeps content.  done: bytes that are there."""

    name: str
    commit: str
    blobs: Path
    on_progress: OnProgress
    total: int
    done: int = 0

    def check_room(self, files: Collection[RemoteFile]) -> None:
        """Raises EngineError when the disk of the hub's cache has less room than what is missing takes."""
        missing = sum(file.size - self._there(file) for file in files)
        existing = next(folder for folder in self.blobs.parents if folder.is_dir())
        free = shutil.disk_usage(existing).free
        if missing > free:
            raise EngineError(
                f"The model {self.name} needs {missing / 1e9:.1f} GB more; {existing} has {free / 1e9:.1f} GB free.",
                "Make room, or set HF_HOME to a folder on a larger disk.",
            )

    def fetch(self, file: RemoteFile) -> None:
        """Have the content of `file` in the cache, whole and, where the hub tells its hash, as it was published."""
        if not (self.blobs / file.etag).exists() and file.name.endswith(".safetensors"):
            self.blobs.mkdir(parents=True, exist_ok=True)
            with self._partial(file).open("ab") as partial:
                fcntl.flock(partial, fcntl.LOCK_EX)  # another process may be at it
                if not (self.blobs / file.etag).exists():
                    self._receive(file, partial)
                    self._check_hash(file)
                    self._partial(file).replace(self.blobs / file.etag)
        self.done += file.size
        self.on_progress(self.done, self.total)

    def _receive(self, file: RemoteFile, partial: BinaryIO) -> None:
        """Append what is missing. Raises the last error after TRIES attempts that brought nothing."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers, httpx

        url = hf_hub_url(self.name, file.name, revision=self.commit)
        bar: Any = functools.partial(_Bar, lambda: self.on_progress(self.done + partial.tell(), self.total))
        left = TRIES
        while (size := partial.seek(0, os.SEEK_END)) < file.size:
            try:
                headers = build_hf_headers(token=hub_token())
                http_get(url, partial, resume_size=size, headers=headers, expected_size=file.size, tqdm_class=bar)
            except httpx.TransportError:
                left = TRIES if partial.tell() > size else left - 1
                if not left:
                    raise

    def _check_hash(self, file: RemoteFile) -> None:
        """Raises EngineError, and begins anew next time, when what came is not what was published."""
        with self._partial(file).open("rb") as content:
            whole = len(file.etag) != SHA256_DIGITS or hashlib.file_digest(content, "sha256").hexdigest() == file.etag
        if not whole:
            self._partial(file).unlink()
            raise EngineError(f"{file.name} of {self.name} arrived damaged.", "Run the same command again.")

    def _there(self, file: RemoteFile) -> int:
        """Bytes of `file` that are on this disk."""
        if (self.blobs / file.etag).exists():
            return file.size
        partial = self._partial(file)
        return partial.stat().st_size if partial.exists() else 0

    def _partial(self, file: RemoteFile) -> Path:
        return self.blobs / f"{file.etag}.loratui"


class _Bar:
    """Stands where `http_get` would draw a bar of its own."""

    def __init__(self, on_update: Callable[[], None], **settings: object) -> None:
        self.on_update = on_update

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *error: object) -> None: ...

    def update(self, count: int) -> None:
        self.on_update()
