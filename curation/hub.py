"""Photos from the hub: a dataset is read once through `datasets`, into a folder that is then one like any other."""

import hashlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from curation.atomic import sync, write_text
from curation.cache import cache_folder
from curation.dataset import PHOTO_SUFFIXES, photo_files
from curation.errors import CurationError
from curation.metadata import dump_json
from curation.regular import read_regular
from curation.text import visible

HUB_SECONDS = 10.0
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PLAIN_NAME = re.compile(r"\w[\w .()+-]{0,99}")

Load = Callable[[str], Any]
"""Gives what `datasets` reads, a Dataset or a DatasetDict; its argument is a folder for files made on the way."""


def photos_folder(named: str | Path, fetch: bool = True) -> Path:
    """The folder of photos that was named.

    A folder of photos is that folder.  A dataset of the hub (`user/name`, its split "train"), and a folder that
    `datasets` saved or that holds parquet or arrow files, is read once into a folder of its own in the cache: the
    photos' bytes as the dataset has them (their EXIF too, as lint reports), and metadata.jsonl with the other columns.
    From then on that folder is what the name stands for, edited captions included, also without a network; a newer
    version is read when it is removed.  Any other path is returned as it is.

    fetch: False leaves the name as it is, too, where reading the dataset would take time and a network.
    Raises CurationError when the dataset is out of reach or holds no photos.
    """
    path = Path(os.path.expanduser(named))  # noqa: PTH111 - Path.expanduser raises where nobody has that name
    try:
        if path.is_dir():
            return _from_disk(path, fetch) if _holds_a_dataset(path) else path
        # Beside folders that are here, a name that is not is a slip of the finger.
        is_from_hub = is_hub_name(str(named)) and not path.exists() and not path.parent.is_dir()
    except (OSError, ValueError):  # whoever opens it says why
        return path
    return _from_hub(str(named), fetch) if is_from_hub else path


def is_hub_name(name: str) -> bool:
    """Whether the hub might know the name: `user/name`."""
    return HUB_NAME.fullmatch(name) is not None


def hub_refusal(what: str, name: str, error: BaseException) -> CurationError | None:
    """The two sentences for why the hub did not give the `what` ("dataset", "model") `name`; None for other errors."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )
    from huggingface_hub.utils import httpx

    shown, causes = visible(name), list(_causes(error))

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if caused_by(GatedRepoError):
        return CurationError(f"The hub gives the {what} {shown} only to those whom it let in.", "Run: hf auth login")
    if caused_by(RepositoryNotFoundError):
        return CurationError(
            f"There is no folder {shown} here, and no {what} {shown} on the hub that you may see.", "Check the name."
        )
    if not caused_by(HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, ConnectionError):
        return None
    kind = " --repo-type dataset" if what == "dataset" else ""
    why = "HF_HUB_OFFLINE forbids to ask the hub" if constants.is_offline_mode() else "the hub does not answer"
    return CurationError(
        f"There is no folder {shown} here, the {what} {shown} was never fetched whole, and {why}.",
        f"Where there is a network, run: hf download{kind} {shown} --local-dir FOLDER, then name that folder.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _holds_a_dataset(folder: Path) -> bool:
    return _is_saved(folder) or (bool(_tables(folder)) and not photo_files(folder))


def _is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote it."""
    return (folder / "dataset_dict.json").is_file() or all(
        (folder / name).is_file() for name in ("dataset_info.json", "state.json")
    )


def _tables(folder: Path) -> list[Path]:
    places = (folder, folder / "data")
    return sorted(path for place in places for suffix in ("parquet", "arrow") for path in place.glob(f"*.{suffix}"))


def _from_disk(folder: Path, fetch: bool) -> Path:
    """The photos of a dataset on disk; they are read again when its files change."""

    def load(cache: str) -> Any:
        if _is_saved(folder):
            return datasets.load_from_disk(str(folder))
        return datasets.load_dataset(str(folder), cache_dir=cache)

    stamps = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".loratui" not in path.parts:
            stamps.append((path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns))
    place, name = str(folder.resolve()), folder.resolve().name
    target = _cache() / f"{name}--{_digest(place)}" / _digest(stamps) / name
    if target.is_dir() or not fetch:
        return target if target.is_dir() else folder
    datasets = _datasets(place)
    return _materialised(place, load, target, folder)


def _from_hub(name: str, fetch: bool) -> Path:
    home, short = _cache() / name.replace("/", "--"), name.partition("/")[2]  # runs are named after folders
    if read := list(home.glob(f"*/{short}")):
        return max(read, key=lambda folder: folder.stat().st_mtime)
    if not fetch:
        return Path(name)
    datasets = _datasets(name)
    from huggingface_hub import HfApi, constants

    try:
        revision = HfApi().dataset_info(name, timeout=HUB_SECONDS).sha
    except Exception as error:  # the hub's own, httpx's and the system's
        raise _unreadable(name, error) from error

    def load(cache: str) -> Any:
        return datasets.load_dataset(name, revision=revision, cache_dir=cache)

    return _materialised(name, load, home / (revision or "main") / short, Path(constants.HF_HUB_CACHE))


def _datasets(name: str) -> Any:
    """The library, imported where it is needed: 1 s."""
    try:
        import datasets
    except ImportError as error:
        raise CurationError(
            f"Reading the dataset {visible(name)} needs packages that the base install leaves out.",
            "Run: pip install 'loratui[train]'",
        ) from error
    return datasets


def _materialised(name: str, load: Load, target: Path, source: Path) -> Path:
    """Write the photos into a temporary folder beside `target`, and rename it when they are all there.

    source: the folder below which the dataset's own files lie.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as temporary:
            photos = Path(temporary, "photos")
            photos.mkdir()
            arrow = Path(temporary, "arrow")
            _write_photos(name, _rows(name, _train_split(name, load, str(arrow))), photos, (arrow, source))
            try:
                photos.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was faster
                    raise
            sync(target.parent)
    except OSError as error:
        raise CurationError(
            f"The dataset {visible(name)} cannot be written to {visible(str(target))}: {error.strerror or error}.",
            "Make room there, or set XDG_CACHE_HOME to another folder.",
        ) from error
    return target


def _train_split(name: str, load: Load, cache: str) -> Any:
    """The Dataset; of several splits the one named "train", as in the guide's script. Raises CurationError."""
    try:
        found = load(cache)
    except Exception as error:  # what datasets raises on files that do not fit together has no common name
        raise _unreadable(name, error) from error
    if not isinstance(found, dict):
        return found
    if len(found) == 1:
        return next(iter(found.values()))
    if "train" not in found:
        raise CurationError(
            f"The dataset {visible(name)} has no split named train; it has {visible(', '.join(found))}.",
            "Save the split that you want with its save_to_disk, and name that folder.",
        )
    return found["train"]


def _rows(name: str, dataset: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each photo as `datasets` keeps it ({"bytes", "path"}), and its row's other values."""
    from datasets import Image as ImageFeature

    features = dataset.features
    images = [column for column, feature in features.items() if isinstance(feature, ImageFeature)]
    if not images:
        raise CurationError(
            f"The dataset {visible(name)} has no column of photos; it has {visible(', '.join(features))}.",
            "Name a dataset with a column of type Image.",
        )
    column = "image" if "image" in images else images[0]
    decoded = [each for each in features if each != column and hasattr(features[each], "decode_example")]
    for row in dataset.cast_column(column, ImageFeature(decode=False)).remove_columns(decoded):
        photo = row.pop(column)
        if photo is not None:
            yield photo, row


def _write_photos(
    name: str, rows: Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]], folder: Path, own: tuple[Path, ...]
) -> None:
    """own: the folders that a row may name a photo in, which lies beside its table."""
    taken: set[str] = set()
    lines = []
    for index, (photo, values) in enumerate(rows):
        content = photo["bytes"] or _bytes_of(name, photo["path"], own)
        file_name = _file_name(index, photo["path"] or "", content, taken)
        taken.add(file_name.casefold())
        (folder / file_name).write_bytes(content)
        sync(folder / file_name)
        kept = {column: value for column, value in values.items() if column != "file_name" and _is_json(value)}
        lines.append(dump_json({"file_name": file_name, **kept}) + "\n")
    if not lines:
        raise CurationError(f"The dataset {visible(name)} holds no photos.", "Name another one.")
    write_text(folder / "metadata.jsonl", "".join(lines))


def _bytes_of(name: str, path: str, own: tuple[Path, ...]) -> bytes:
    if not any(Path(path).resolve().is_relative_to(folder.resolve()) for folder in own):
        raise CurationError(
            f"The dataset {visible(name)} names a photo outside of it: {visible(path)}.",
            "If it is your own, save it with its photos in it (save_to_disk does), or name their folder.",
        )
    try:
        return read_regular(Path(path))
    except OSError as error:
        raise CurationError(
            f"The dataset {visible(name)} names a photo that cannot be read: {visible(path)} ({error.strerror}).",
            "Download it again.",
        ) from error


def _file_name(index: int, path: str, content: bytes, taken: set[str]) -> str:
    """The name that the photo has in the dataset where it is plain and free, else its number."""
    name = Path(path).name
    if PLAIN_NAME.fullmatch(name) and Path(name).suffix.lower() in PHOTO_SUFFIXES and name.casefold() not in taken:
        return name
    return f"{index:05d}{_suffix(content)}"


def _suffix(content: bytes) -> str:
    """Of the formats that `datasets` itself writes; lint tells when the bytes are something else."""
    from PIL import Image  # 40 ms

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "WEBP")) as image:
            return f".{image.format}".lower()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ".jpg"


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _unreadable(name: str, error: Exception) -> CurationError:
    if not Path(name).is_dir() and (refusal := hub_refusal("dataset", name, error)):
        return refusal
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")
    return CurationError(
        f"The dataset {visible(name)} cannot be read: {visible(first_line)}.",
        "Name another one, or make a folder of its photos.",
    )


def _cache() -> Path:
    return cache_folder() / "datasets"


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogateescape")).hexdigest()[:16]
