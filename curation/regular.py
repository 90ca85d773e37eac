"""Reading files that end, and adding to files that are our own: a stranger's folder may hold pipes and links."""

import errno
import os
import stat
from pathlib import Path

LARGEST = 2 << 30
"""Bytes. The most pixels that Pillow decodes, 179 million, are 1.4 GB without compression at 16 bits of RGBA."""


def read_regular(path: Path) -> bytes:
    """The file's content. Raises OSError, also for what is not a regular file and for one larger than LARGEST."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if status.st_size > LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return path.read_bytes()


def open_own(path: Path, flags: int) -> int:
    """Open a file of `.loratui` for adding to it, made where it is missing, and return its descriptor.

    Raises OSError where it, or its folder, is a link: a folder of photos that came with one would have us write to
    another place.
    """
    if path.parent.is_symlink():
        raise OSError(errno.ELOOP, "is a link", str(path.parent))
    return os.open(path, flags | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
