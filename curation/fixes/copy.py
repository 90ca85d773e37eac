"""The files of a mended copy, and writing them whole: a folder that was half written never bears the copy's name."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from curation import crops
from curation.atomic import sync, write_bytes
from curation.dataset import Dataset
from curation.errors import CurationError
from curation.fixes.rendition import Rendition, encoded
from curation.journal import made_files
from curation.regular import read_regular
from curation.suppressions import FILE as SUPPRESSIONS
from curation.suppressions import dump, read_suppressions
from curation.text import visible

OnProgress = Callable[[int, int], None]
T = TypeVar("T")


def fill(dataset: Dataset, photos: Sequence[Rendition], folder: Path, on_progress: OnProgress) -> None:
    """Write all files of the copy, each synced. Raises OSError, and CurationError for a photo's fault."""

    def write(name: str, content: bytes) -> str:
        write_bytes(folder / name, content)
        return _sha256(name, content)

    hashes = dict(_made(dataset, photos, write, on_progress))
    for name, content in _decisions(dataset, photos, hashes).items():
        write_bytes(folder / name, content)
    sync(folder)


def differing(dataset: Dataset, photos: Sequence[Rendition], folder: Path, on_progress: OnProgress) -> list[str]:
    """The names of files that the folder has otherwise than the copy, lacks, or has besides. Raises CurationError."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    expected = {photo.name for photo in photos} | caption_files(dataset, photos).keys()
    names = {name for name in there ^ expected if PurePosixPath(name).parts[0] != SUPPRESSIONS.parts[0]}
    if names:  # before a folder of something else is read
        return sorted(names)
    hashes = dict(_made(dataset, photos, _sha256, on_progress))
    hashes |= {name: _sha256(name, content) for name, content in _decisions(dataset, photos, hashes).items()}
    found = made_files(folder)
    return sorted(name for name in hashes.keys() | found.keys() if hashes.get(name) != found.get(name))


def caption_files(dataset: Dataset, photos: Sequence[Rendition]) -> dict[str, bytes]:
    """The captions where they were, byte for byte but for names: rows of the metadata file, and files beside photos."""
    names = {rendition.photo.name: rendition.name for rendition in photos}
    files = {}
    metadata = dataset.metadata
    if any(name in names for name in metadata.names):
        files[metadata.path.name] = metadata.renamed(names).encode("utf-8")
    for old, new in names.items():
        if old in dataset.sidecars:
            files[PurePosixPath(new).with_suffix(".txt").as_posix()] = dataset.sidecars[old].content
    return files


@contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`, locked against other processes; what is left of it after is removed.

    What a killed process left in it goes first. Raises OSError, and CurationError while another process holds it.
    """
    place = target.parent / f".{target.name}.loratui-tmp"
    place.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, target)
        try:
            shutil.rmtree(place / "photos", ignore_errors=True)
            (place / "photos").mkdir()
            yield place / "photos"
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(descriptor)


def _made(
    dataset: Dataset, photos: Sequence[Rendition], use: Callable[[str, bytes], T], on_progress: OnProgress
) -> Iterator[tuple[str, T]]:
    """Make photos and captions, on all processors and one by one, and yield each name with what became of its content.

    use: takes the name in the copy and the content.
    """
    makers = {photo.name: partial(encoded, photo) for photo in photos}
    texts = caption_files(dataset, photos)
    names = [*makers, *texts]

    def make(name: str) -> T:
        return use(name, makers[name]() if name in makers else texts[name])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done, (name, result) in enumerate(zip(names, pool.map(make, names), strict=True), start=1):
                on_progress(done, len(names))
                yield name, result
        finally:
            pool.shutdown(cancel_futures=True)


def _decisions(dataset: Dataset, photos: Sequence[Rendition], hashes: Mapping[str, str]) -> dict[str, bytes]:
    """What a person decided about these photos, as files of the copy.  hashes: SHA-256 of the copies, by name."""
    placed = {photo.name: focus for photo in photos if (focus := _focus(photo))}
    files = {crops.FILE.as_posix(): crops.dump(placed)} if placed else {}
    return files | _suppressions(dataset, photos, hashes)


def _focus(rendition: Rendition) -> crops.Focus | None:
    """The centre of the photo's crop, in what the copy keeps of the photo; None where it lies in what is cut off."""
    if rendition.photo.focus is None:
        return None
    header, box = rendition.header, rendition.box
    across = round((rendition.photo.focus[0] * header.width - box.left) / box.size[0], 4)
    down = round((rendition.photo.focus[1] * header.height - box.top) / box.size[1], 4)
    return (across, down) if 0 <= across <= 1 and 0 <= down <= 1 else None


def _suppressions(dataset: Dataset, photos: Sequence[Rendition], hashes: Mapping[str, str]) -> dict[str, bytes]:
    """What a person suppressed on these photos; they are known by their content, which is another one in the copy.

    hashes: SHA-256 of the copied files, by name.
    """
    suppressions = read_suppressions(dataset.root)
    if not suppressions:
        return {}
    copies: dict[str, dict[str, str]] = {}
    for photo in photos:
        original = _sha256(photo.photo.name, read_regular(photo.photo.path))
        copies.setdefault(original, {})[photo.name] = hashes[photo.name]
    kept = []
    for one in suppressions:
        copied = {name: copy for original in one.photos.values() for name, copy in copies.get(original, {}).items()}
        if copied or not one.photos:
            kept.append(replace(one, photos=copied))
    return {SUPPRESSIONS.as_posix(): dump(kept)} if kept else {}


def _sha256(name: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _lock(descriptor: int, target: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CurationError(
            f"Another program is writing {visible(str(target))} just now.", "Wait until it is done, and try again."
        ) from error
    except OSError as error:
        if error.errno not in {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS}:  # a network drive without locks
            raise
