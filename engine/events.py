"""What a run tells the world: typed events, the JSONL file they are appended to, and its follower.

One event a line: `{"v": 1, "time": seconds since the epoch, "type": "step", ...fields}`. docs/events.md lists them.
"""

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from curation.redaction import redacted
from engine.tail import lines_backwards

VERSION = 1


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

    phase: loading, class_images, caching, rehearsal, training, sampling, exporting, verifying.
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
    """A checkpoint is complete. path: relative to the run folder."""

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


def encode(event: Event) -> str:
    """One JSON line, without its newline."""
    return json.dumps({"v": VERSION, "type": event.type, **dataclasses.asdict(event)})


def decode(line: str | bytes) -> Event | None:
    """The event of a line; None for a torn line and for types and fields of a newer version."""
    try:
        fields: Any = json.loads(line)
    except ValueError:
        return None
    kind = TYPES.get(str(fields.get("type"))) if isinstance(fields, dict) else None
    if kind is None:
        return None
    known = {field.name for field in dataclasses.fields(kind)}
    try:
        return kind(**{key: value for key, value in fields.items() if key in known})
    except TypeError:
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
    """Reads a growing events file: each iteration, or call of `new`, gives what was appended since the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Event]:
        """Events appended since the last call; a half-written last line waits for its end."""
        return list(self)

    def __iter__(self) -> Iterator[Event]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._offset += len(line)
                    if event := decode(line):
                        yield event
        except FileNotFoundError:
            return
