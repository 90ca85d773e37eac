"""Whole files or none: write beside the target, sync, rename."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on a clean exit sync it and rename it to `path`.

    A reader sees the old file or the new one, never a part. On an exception the temporary file is removed.  What is
    made in a folder that only its owner may enter, such as a run's, is for its owner only.
    """
    _make_folder(path.parent)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    temporary.touch(mode=0o600 if _is_private(path.parent) else 0o666, exist_ok=False)
    try:
        yield temporary
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, whole."""
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace `path` by `content` in UTF-8, whole, with newlines as they are."""
    write_bytes(path, content.encode("utf-8"))


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    if not folder.exists():  # a file in its place is refused by the system, once something is made in it
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700 if _is_private(folder.parent) else 0o777, exist_ok=True)


def _is_private(folder: Path) -> bool:
    return not folder.stat().st_mode & 0o077
