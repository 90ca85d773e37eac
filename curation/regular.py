"""Reading files that end: a pipe or a device under a photo's name would be read for ever."""

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
