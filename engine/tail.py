"""A file's lines from its end, so that a long one is not read to see its last."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

BLOCK = 64 * 1024


def lines_backwards(path: Path) -> Iterator[bytes]:
    """The lines of `path`, last one first, without their newlines; none where there is no such file.

    What follows the last newline, if anything, comes first: a line that is still being written.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        yield from _backwards(file, file.seek(0, os.SEEK_END))


def start_of_last_lines(file: BinaryIO, count: int) -> int:
    """Where the last `count` lines of an open file begin, in bytes; what follows the last newline is a line."""
    end = file.seek(0, os.SEEK_END)
    length = sum(len(line) + 1 for line in islice(_backwards(file, end), count))
    file.seek(max(end - 1, 0))
    is_torn = file.read(1) not in (b"", b"\n")
    return min(end - length + is_torn, end)


def _backwards(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The lines before `end`, last one first."""
    position = end
    rest: list[bytes] = []  # of the line whose beginning was not found yet, last piece first
    while position:
        start = max(position - BLOCK, 0)
        file.seek(start)
        block = file.read(position - start)
        if position == end:
            block = block.removesuffix(b"\n")
        position = start
        first, *lines = block.split(b"\n")
        if lines:
            yield lines.pop() + b"".join(reversed(rest))
            yield from reversed(lines)
            rest = []
        rest.append(first)
    if end:
        yield b"".join(reversed(rest))
