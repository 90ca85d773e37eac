"""Lines that are added to a file as they come, so that an interrupted scan keeps what it has.

Each stands there with its checksum, as `[CRC-32, LINE]`: a flipped bit in a measured number would be believed.
"""

import os
import zlib
from pathlib import Path
from types import TracebackType

from curation.regular import open_own


def checked(line: bytes) -> bytes:
    """The line, which is JSON, as it stands in the file."""
    return b"[%d,%s]\n" % (zlib.crc32(line), line)


def read_lines(path: Path) -> list[bytes]:
    """The lines as they were appended, empty where one is broken. Raises OSError."""
    return [_unchecked(line) for line in path.read_bytes().splitlines()]


def _unchecked(line: bytes) -> bytes:
    checksum, _, content = line.removeprefix(b"[").removesuffix(b"]").partition(b",")
    return content if checksum == b"%d" % zlib.crc32(content) else b""


class LineAppender:
    """Appends lines to a file, made with its folder. Where nothing can be written nothing is, and nobody is told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> "LineAppender":
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._file = open_own(self._path, os.O_RDWR | os.O_CLOEXEC)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":  # cut short when the machine went down
                os.write(self._file, b"\n")
        except OSError:
            self._file = None
        return self

    def append(self, line: bytes) -> None:
        """Append one line of JSON, in one write, so that two scans at a time do not tear it."""
        if self._file is not None:
            try:
                os.write(self._file, checked(line))
            except OSError:  # a full disk: measured again next time
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)
