"""Facts about photos, kept in ROOT/.loratui/facts.jsonl so that an unchanged photo is measured once.

A line is appended for each photo as soon as it is measured, so an interrupted scan keeps what it has; the last line
about a photo counts.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from curation.appending import LineAppender, checked, read_lines
from curation.atomic import write_bytes
from curation.facts.parts import PhotoFacts

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 7
"""Raised whenever a measurement changes, which makes the stored ones worthless."""

STALE_SHARE = 0.5
"""Of the lines: with more superseded ones the file is written anew."""


@dataclass(frozen=True)
class Stamp:
    """What tells that a file is unchanged: its size in bytes and its time of change in nanoseconds; -1 when gone."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        try:
            status = path.stat()
        except OSError:
            return cls(-1, -1)
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Stored:
    """One line. name: the photo's, in its dataset."""

    version: int
    name: str
    stamp: Stamp
    facts: PhotoFacts


def read_facts(root: Path, tidy: bool = True) -> dict[str, Stored]:
    """Stored facts by photo name; none of another version, and none from a line that is broken.

    tidy: where most lines are superseded, write the file anew; not for one who reads while another may append.
    """
    try:
        lines = read_lines(_path(root))
    except OSError:
        return {}
    newest: dict[str, Stored] = {}
    for line in lines:
        stored = _parsed(line)
        if stored is not None:
            newest[stored.name] = stored
    if tidy and len(newest) < STALE_SHARE * len(lines):
        _rewrite(root, newest.values())
    return newest


class FactsWriter:
    """Appends facts as they are measured. In a folder that cannot be written they are measured again next time."""

    def __init__(self, root: Path) -> None:
        self._lines = LineAppender(_path(root))

    def __enter__(self) -> "FactsWriter":
        self._lines.__enter__()
        return self

    def write(self, name: str, stamp: Stamp, facts: PhotoFacts) -> None:
        """Append one photo's facts."""
        try:
            line = _line(Stored(VERSION, name, stamp, facts))
        except ValueError:  # a name that is not UTF-8: measured again next time
            return
        self._lines.append(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, error, trace)


def _parsed(line: bytes) -> Stored | None:
    from pydantic import ValidationError

    try:
        stored = _adapter().validate_json(line)
    except ValidationError:
        return None
    return stored if stored.version == VERSION else None


def _line(stored: Stored) -> bytes:
    return _adapter().dump_json(stored, exclude_defaults=True)


def _rewrite(root: Path, newest: Iterable[Stored]) -> None:
    try:
        write_bytes(_path(root), b"".join(checked(_line(stored)) for stored in newest))
    except OSError:
        return


@functools.cache
def _adapter() -> "TypeAdapter[Stored]":
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"))(Stored))


def _path(root: Path) -> Path:
    return root / ".loratui" / "facts.jsonl"
