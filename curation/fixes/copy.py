"""The files of a mended copy, and writing them whole: a folder that was half written never bears the copy's name."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from curation.atomic import sync, write_bytes
from curation.dataset import Dataset
from curation.errors import CurationError
from curation.fixes.rendition import Rendition, encoded
from curation.journal import made_files
from curation.patch import digest
from curation.text import visible

Files = Mapping[str, Callable[[], bytes]]
"""What makes the content of each file, by its name in the folder: photos are large, and made one by one."""

OnProgress = Callable[[int, int], None]
T = TypeVar("T")


def copied_files(dataset: Dataset, photos: Sequence[Rendition]) -> Files:
    """Every file of the copy."""
    made = {rendition.name: partial(encoded, rendition) for rendition in photos}
    texts = caption_files(dataset, photos)
    return {**made, **{name: partial(_itself, content) for name, content in texts.items()}}


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


def differing(files: Files, folder: Path, on_progress: OnProgress) -> list[str]:
    """The names of files that the folder has otherwise, lacks, or has besides. Raises CurationError."""
    there = made_files(folder)
    names = sorted(there.keys() ^ files.keys())
    if names:
        return names
    return [name for name, made in _made(files, _digest, on_progress) if made != there[name]]


def fill(files: Files, folder: Path, on_progress: OnProgress) -> None:
    """Write the files, each synced. Raises OSError, and CurationError for a photo's fault."""
    for _ in _made(files, partial(_write, folder), on_progress):
        pass
    sync(folder)


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


def _itself(content: bytes) -> bytes:
    return content


def _made(files: Files, use: Callable[[str, bytes], T], on_progress: OnProgress) -> Iterator[tuple[str, T]]:
    """Make the files on all processors, and yield each name with what became of its content."""

    def make(name: str) -> T:
        return use(name, files[name]())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for done, (name, result) in enumerate(zip(files, pool.map(make, files), strict=True), start=1):
                on_progress(done, len(files))
                yield name, result
        finally:
            pool.shutdown(cancel_futures=True)


def _digest(name: str, content: bytes) -> str | None:
    return digest(content)


def _write(folder: Path, name: str, content: bytes) -> None:
    write_bytes(folder / name, content)


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
