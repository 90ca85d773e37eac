"""What a run tells the world: typed events, the JSONL file they are appended to, and its follower.

One event a line: `{"v": 1, "time": seconds since the epoch, "type": "step", ...fields}`. docs/events.md lists them.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from curation.redaction import redacted
from engine.tail import lines_backwards

VERSION = 1
STEP_LINE = b'{"v": 1, "type": "step", '
"""How `encode` begins a step, which need not be decoded to be passed over."""
MOST_LINE = 2**20
"""Bytes: what has no newline for longer is no event, such as the zeros that a crashed file system leaves."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact about a run. time: seconds since the epoch, set when it is written."""

    type: ClassVar[str]
    time: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """The worker holds the lock. step: steps already done (0, or the checkpoint's when resumed)."""

    type = "started"
    name: str
    pid: int
    step: int
    total_steps: int
    pivot_step: int | None
    photos: int
    device: str


@dataclass(frozen=True, kw_only=True)
class Phase(Event):
    """A stretch of work begins.

    phase: loading, class_images, caching, rehearsal, training, sampling, waiting (for room on the disk), exporting,
    verifying.
    """

    type = "phase"
    phase: str


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """How far a phase other than training is."""

    type = "progress"
    phase: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class ClassImages(Event):
    """The pictures of the class that prior preservation uses. real: given ones.  generated: made by the base model."""

    type = "class_images"
    real: int
    generated: int


@dataclass(frozen=True, kw_only=True)
class Rehearsed(Event):
    """A step, a picture, a checkpoint and an export were tried with success, and all of it taken back.

    seconds_per_step: measured.  remaining_seconds: of the steps ahead, at that speed.  memory: peak bytes on the GPU,
    None on a CPU.
    """

    type = "rehearsed"
    seconds_per_step: float
    remaining_seconds: float
    memory: int | None


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """One optimizer step is done.

    loss: with the prior's share.  prior_loss: unweighted, None without prior preservation.  lr: rate by parameter
    group.  d: Prodigy's estimate.  effective_lr: d times the UNet's rate (the UNet's rate itself for AdamW).
    grad_norm: before clipping.  seconds: of this step.  memory: peak bytes on the GPU, None on a CPU.
    """

    type = "step"
    step: int
    epoch: int
    loss: float
    prior_loss: float | None
    lr: dict[str, float]
    d: float | None
    effective_lr: float
    grad_norm: float
    seconds: float
    samples_per_second: float
    memory: int | None


@dataclass(frozen=True, kw_only=True)
class Skipped(Event):
    """A step whose loss or gradients were not finite was left out."""

    type = "skipped"
    step: int
    reason: str
    photos: list[str]


@dataclass(frozen=True, kw_only=True)
class MicroBatchHalved(Event):
    """The GPU was full: from this step on it gets fewer photos at a time, more often; the samples of a step stay.

    micro_batch: photos at a time.  gradient_accumulation_steps: micro-batches in an optimizer step.
    """

    type = "micro_batch_halved"
    step: int
    micro_batch: int
    gradient_accumulation_steps: int


@dataclass(frozen=True, kw_only=True)
class Pivot(Event):
    """After this step the text side no longer trains."""

    type = "pivot"
    step: int


@dataclass(frozen=True, kw_only=True)
class Sample(Event):
    """A sample picture. path: relative to the run folder."""

    type = "sample"
    step: int
    path: str
    prompt: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Event):
    """A checkpoint is whole and on the disk.

    step: its own; the run may be further.  path: relative to the run folder.
    """

    type = "checkpoint"
    step: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something the user should know, which does not end the run."""

    type = "warning"
    message: str


@dataclass(frozen=True, kw_only=True)
class Verified(Event):
    """The exported files were reloaded and compared with the trained weights.

    files: relative to the run folder.  difference: largest absolute difference of one UNet output,
    None when it did not come to that.
    """

    type = "verified"
    ok: bool
    files: list[str]
    tensors: int
    difference: float | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Paused(Event):
    """The run ended with a checkpoint, to be continued."""

    type = "paused"
    step: int


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """The run ended on request, with a checkpoint, and with an export unless it was to end at once."""

    type = "stopped"
    step: int


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """The run ended by an error, told in two sentences."""

    type = "failed"
    problem: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """All steps done, exported and verified."""

    type = "finished"
    step: int


TYPES: dict[str, type[Event]] = {event.type: event for event in Event.__subclasses__()}


def _is_integer(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_number(value: object) -> bool:
    """Finite, and small enough to be counted with: NaN compares as false."""
    return (type(value) is int or type(value) is float) and -1e300 < value < 1e300


def _is_text(value: object) -> bool:
    return type(value) is str


FITS: dict[Any, Callable[[Any], bool]] = {
    int: _is_integer,
    float: _is_number,
    str: _is_text,
    bool: lambda value: type(value) is bool,
    int | None: lambda value: value is None or _is_integer(value),
    float | None: lambda value: value is None or _is_number(value),
    list[str]: lambda value: type(value) is list and all(map(_is_text, value)),
    dict[str, float]: lambda value: type(value) is dict and all(map(_is_number, value.values())),
}
"""Whether a value out of a file is of a field's type; a file may have been edited by hand."""
FIELDS = {kind: {field.name: FITS[field.type] for field in dataclasses.fields(kind)} for kind in Event.__subclasses__()}


def encode(event: Event) -> str:
    """One JSON line, without its newline."""
    return json.dumps({"v": VERSION, "type": event.type, **dataclasses.asdict(event)})


def decode(line: str | bytes) -> Event | None:
    """The event of a line; None for a torn or damaged one, and for a type of a newer version.

    Its fields are of the types that its class says, so that viewers need not ask again; others are left out.
    """
    try:
        fields: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = TYPES.get(str(fields.get("type"))) if isinstance(fields, dict) else None
    if kind is None:
        return None
    values = {name: fields[name] for name in FIELDS[kind] if name in fields}
    if not all(FIELDS[kind][name](value) for name, value in values.items()):
        return None
    try:
        return kind(**values)
    except TypeError:  # one is missing
        return None


def latest_events(path: Path) -> Iterator[Event]:
    """The events of a file, last one first; only as much of the file is read as is asked for."""
    return (event for line in lines_backwards(path) if (event := decode(line)))


class EventWriter:
    """Appends events to a file, one whole line each, handed to the system at once."""

    def __init__(self, path: Path) -> None:
        self._mend = b""
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            self._append(b"\n")  # a killed worker's torn line must not swallow the next event

    def write(self, event: Event) -> None:
        """Append `event`, stamped with the time now. Raises OSError when the disk is full."""
        stamped = dataclasses.replace(event, time=time.time())
        self._append(self._mend + redacted(encode(stamped)).encode("ascii") + b"\n")

    def _append(self, content: bytes) -> None:
        self._mend = b"\n"  # a line that is torn here is ended before the next one
        while content:
            content = content[os.write(self._file, content) :]
        self._mend = b""


class EventFollower:
    """Reads a growing events file: each iteration, or call of `new`, gives what was appended since the last one.

    offset: bytes at its start that are passed over; it grows with what is read.  most_bytes: when more than that is
    new, only every so many steps is given that they make up about as much; those of the end are all there.
    """

    def __init__(self, path: Path, offset: int = 0, most_bytes: int | None = None) -> None:
        self.offset = offset
        self._path, self._most_bytes = path, most_bytes

    def new(self) -> list[Event]:
        """Events appended since the last call; a half-written last line waits for its end."""
        return list(self)

    def __iter__(self) -> Iterator[Event]:
        try:
            with self._path.open("rb") as file:
                yield from self._read(file)
        except FileNotFoundError:
            return

    def _read(self, file: BinaryIO) -> Iterator[Event]:
        size, lines = os.fstat(file.fileno()).st_size, self._lines(file)
        behind = size - self.offset
        if self._most_bytes is not None and behind > self._most_bytes:
            lines = self._thinned(lines, behind // self._most_bytes + 1, size - self._most_bytes // 4)
        return (event for line in lines if (event := decode(line)))

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        """What was appended, but for a half-written last line."""
        file.seek(self.offset)
        while line := file.readline(MOST_LINE):
            if not line.endswith(b"\n") and len(line) < MOST_LINE:
                return
            self.offset += len(line)
            yield line

    def _thinned(self, lines: Iterator[bytes], stride: int, until: int) -> Iterator[bytes]:
        """Of the steps before the offset `until`, one in `stride`, and the last one before what is no step."""
        steps, passed = 0, b""
        for line in lines:
            if self.offset < until and line.startswith(STEP_LINE):
                steps += 1
                if steps % stride != 1:
                    passed = line
                    continue
            elif passed:
                yield passed
            passed = b""
            yield line
        if passed:
            yield passed
