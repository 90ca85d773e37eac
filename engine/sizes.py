"""Amounts of memory and disk: counted, and as people read them."""

import os
from contextlib import suppress
from pathlib import Path


def gigabytes(count: int) -> str:
    """Bytes as GB (10^9), with one digit below ten; MB below a tenth of one, and kB below an MB."""
    if count < 10**6:
        return f"{count / 1e3:.0f} kB"
    if count < 10**8:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB" if count < 10**10 else f"{count / 1e9:.0f} GB"


def bytes_in(path: Path) -> int:
    """The sizes of a file, or of all files below a folder, together; links count as nothing."""
    if path.is_symlink() or not path.is_dir():
        return 0 if path.is_symlink() else _size(path)
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sum(_size(file) for file in files)


def _size(file: Path) -> int:
    with suppress(OSError):  # renamed meanwhile by who writes it
        return file.lstat().st_size
    return 0
