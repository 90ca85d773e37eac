"""What only two photos side by side tell: whether their pixels are the same, and how one lies on the other.

Kept in ROOT/.loratui/copies.jsonl by the hashes of the files, appended as measured, so that nothing is measured twice.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from curation.alignment import Aligner, Alignment, hash_pixels
from curation.appending import LineAppender, read_lines
from curation.parallel import in_parallel

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1
"""Raised whenever a measurement changes, which makes the stored ones worthless."""

CopyPart = Literal["pixels", "alignments"]

Key = tuple[str, str]
"""Of a pair: the hashes of its files, sorted."""


@dataclass(frozen=True)
class File:
    """A photo's file, known by its content."""

    sha256: str
    path: Path


@dataclass(frozen=True)
class CopyFacts:
    """pixels: hash of all pixels, upright, by the hash of the file.  alignments: by both hashes, sorted.

    left_out: how many pairs that could be aligned were not, as they were too many.
    """

    pixels: Mapping[str, str] = field(default_factory=dict)
    alignments: Mapping[Key, Alignment] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True)
class Line:
    """One line of the file: the pixels of one photo, or the alignment of two."""

    version: int
    files: tuple[str, ...]
    pixels: str = ""
    alignment: Alignment | None = None


def key(one: str, other: str) -> Key:
    """What a pair of files is known by, in either order."""
    return (one, other) if one < other else (other, one)


def measure_copies(
    root: Path,
    whole: Sequence[File],
    pairs: Sequence[tuple[File, File]],
    left_out: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CopyFacts:
    """Hash all pixels of the `whole` files and align the `pairs`, as far as that is not stored.

    A file that cannot be read any more is in no result. on_progress: told (done, total) of what is measured now.
    """
    pixels, alignments = _read(root)
    files = [file for file in {file.sha256: file for file in whole}.values() if file.sha256 not in pixels]
    unaligned = [(one, other) for one, other in pairs if key(one.sha256, other.sha256) not in alignments]
    total = len(files) + len(unaligned)
    if not total:
        return CopyFacts(pixels, alignments, left_out)

    def hashed(file: File) -> tuple[File, str | None]:
        return file, hash_pixels(file.path)

    aligner = Aligner()

    def aligned(pair: tuple[File, File]) -> tuple[Key, Alignment | None]:
        one, other = sorted(pair, key=lambda file: file.sha256)
        return (one.sha256, other.sha256), aligner.align(one.path, other.path)

    with LineAppender(_path(root)) as lines:
        for done, (file, found) in enumerate(in_parallel(hashed, files), 1):
            if found is not None:
                pixels[file.sha256] = found
                lines.append(_adapter().dump_json(Line(VERSION, (file.sha256,), pixels=found)))
            on_progress(done, total)
        for done, (both, alignment) in enumerate(in_parallel(aligned, unaligned), len(files) + 1):
            if alignment is not None:
                alignments[both] = alignment
                lines.append(_adapter().dump_json(Line(VERSION, both, alignment=alignment)))
            on_progress(done, total)
    return CopyFacts(pixels, alignments, left_out)


def _read(root: Path) -> tuple[dict[str, str], dict[Key, Alignment]]:
    """What is stored; nothing of another version, and nothing from a line that is broken."""
    from pydantic import ValidationError

    pixels: dict[str, str] = {}
    alignments: dict[Key, Alignment] = {}
    try:
        lines = read_lines(_path(root))
    except OSError:
        return pixels, alignments
    for line in lines:
        try:
            stored = _adapter().validate_json(line)
        except ValidationError:
            continue
        if stored.version == VERSION and stored.alignment is not None and len(stored.files) == 2:
            alignments[key(*stored.files)] = stored.alignment
        elif stored.version == VERSION and stored.pixels and len(stored.files) == 1:
            pixels[stored.files[0]] = stored.pixels
    return pixels, alignments


@functools.cache
def _adapter() -> "TypeAdapter[Line]":
    from pydantic import TypeAdapter

    return TypeAdapter(Line)


def _path(root: Path) -> Path:
    return root / ".loratui" / "copies.jsonl"
