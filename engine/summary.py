"""A run's events, as much of them as viewers show: bounded, and kept in summary.json so that nobody reads them all.

The worker writes it once a minute; a viewer goes on from there in events.jsonl. Where it is missing, damaged or not of
these events, they are read from the first one on, with steps passed over, so that even millions take about a second.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from curation.atomic import write_bytes
from engine.curves import Curves
from engine.events import Event, EventFollower, Progress, Step, decode, encode
from engine.rundir import RunDir

TIMED_STEPS = 20  # speed and remaining time come from so many of the last steps
LAST_KEPT: dict[type[Event], int] = {Step: TIMED_STEPS, Progress: 1}
# Of every other type; a run of ten hours with a checkpoint and a picture every five minutes has 120 of each.
FIRST, LAST = 100, 400
# Further behind than this many bytes, about 15,000 steps, a reader decodes about as many of them and passes the rest.
MOST_BYTES = 4 * 2**20
MARK_BYTES = 512


@dataclass(frozen=True)
class Stored:
    """What summary.json holds. offset: bytes of events.jsonl that it tells of.  mark: proves that it is that file."""

    version: Literal[2]
    offset: Annotated[int, Field(ge=0)]
    mark: str
    curves: Curves
    events: list[str]


STORED = TypeAdapter(Stored)


@dataclass
class Kept:
    """Events of one type with their place among all: the first ones and the last ones."""

    last: deque[tuple[int, Event]]
    first: list[tuple[int, Event]] = field(default_factory=list)


class Summary:
    """Follows a run's events. events: those that are kept, oldest first.  curves: drawn from all steps.

    Where summary.json is of use, `events` and `curves` begin with what it tells.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._kept: dict[type[Event], Kept] = {}
        self._places = count()
        stored = _stored(run)
        self.curves = stored.curves if stored else Curves()
        self._follower = EventFollower(run.events_file, stored.offset if stored else 0, MOST_BYTES)
        for line in stored.events if stored else ():
            if event := decode(line):
                self._keep(event)

    @property
    def events(self) -> list[Event]:
        kept = (pair for of_type in self._kept.values() for pair in (*of_type.first, *of_type.last))
        return [event for _, event in sorted(kept, key=lambda pair: pair[0])]

    @property
    def read(self) -> tuple[int, int]:
        """How many bytes of the events are taken in, and how many there are."""
        try:
            size = self._run.events_file.stat().st_size
        except OSError:
            size = 0
        return self._follower.offset, max(size, self._follower.offset)

    def new(self) -> Iterator[Event]:
        """The events since the last call, or since summary.json; of very many, not all steps."""
        for event in self._follower:
            self.curves.take(event)
            self._keep(event)
            yield event

    def update(self) -> None:
        """Take in what is new and write summary.json. Raises OSError."""
        for _ in self.new():
            pass
        offset = self._follower.offset
        events = [encode(event) for event in self.events]
        stored = Stored(2, offset, _mark(self._run.events_file, offset), self.curves, events)
        write_bytes(self._run.summary_file, STORED.dump_json(stored))

    def _keep(self, event: Event) -> None:
        kind = type(event)
        if kind not in self._kept:
            self._kept[kind] = Kept(deque(maxlen=LAST_KEPT.get(kind, LAST)))
        kept = self._kept[kind]
        is_first = kind not in LAST_KEPT and len(kept.first) < FIRST
        (kept.first if is_first else kept.last).append((next(self._places), event))


def _stored(run: RunDir) -> Stored | None:
    """What summary.json tells; None where it is missing, damaged or of other events."""
    with suppress(OSError, ValueError):
        stored = STORED.validate_json(run.summary_file.read_bytes())
        if stored.mark == _mark(run.events_file, stored.offset):
            return stored
    return None


def _mark(path: Path, offset: int) -> str:
    """A digest of the bytes before `offset`, which hold the time of the last event before it."""
    start = max(offset - MARK_BYTES, 0)
    with path.open("rb") as file:
        file.seek(start)
        before = file.read(offset - start)
    return blake2b(b"%d " % offset + before, digest_size=16).hexdigest()
