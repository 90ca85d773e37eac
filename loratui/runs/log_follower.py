"""The lines of a run's log as they are appended: torn lines wait, and a file begun anew is read from its start."""

import os
from pathlib import Path
from typing import BinaryIO

from engine.tail import start_of_last_lines


class LogFollower:
    """Reads a growing log, which may be missing at first, cut back, or moved away and begun anew.

    last: how many of the lines that are there to begin with; None is all of them.
    """

    def __init__(self, path: Path, last: int | None = None) -> None:
        self._path = path
        self._torn = b""
        self._file = self._open()
        if self._file and last is not None:
            self._file.seek(start_of_last_lines(self._file, last))

    def new(self) -> list[bytes]:
        """The whole lines appended since the last call, without their newlines."""
        lines = self._read()
        if self._was_replaced():  # after the old file was read to its end
            lines += self.rest()
            self._file = self._open()
            lines += self._read()
        return lines

    def rest(self) -> list[bytes]:
        """The last line, where it has no newline and none will come."""
        torn, self._torn = self._torn, b""
        return [torn] if torn else []

    def _read(self) -> list[bytes]:
        self._file = self._file or self._open()
        if self._file is None:
            return []
        lines = []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # cut back in place
            lines = self.rest()
            self._file.seek(0)
        *whole, self._torn = (self._torn + self._file.read()).split(b"\n")
        return [*lines, *whole]

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _was_replaced(self) -> bool:
        try:
            return self._file is not None and not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:  # moved away, and the new one is not there yet
            return False
