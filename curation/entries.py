"""The lines of a journal: what each step changed, and whether it was done, undone, or left half done."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from curation.patch import Patch

State = Literal["done", "undone", "dropped", "failed"]

SETTLE = b'{"do": "settle"}\n'
"""The files of the intention before it are written."""

ABANDON = b'{"do": "abandon"}\n'
"""The files of the intention before it could not be written, and are as they were."""


@dataclass(frozen=True)
class Entry:
    """What one step changed.  time: seconds since 1970.  created: a folder that it made, with each file's SHA-256.

    state: `dropped` was undone and cannot be redone, as another entry came after it; `failed` could not be written.
    """

    number: int
    time: float
    summary: str
    patches: tuple[Patch, ...]
    created: Path | None
    created_files: Mapping[str, str]
    state: State


@dataclass(frozen=True)
class Intention:
    """What is about to be done with an entry."""

    do: Literal["record", "undo", "redo"]
    entry: Entry

    @property
    def patches(self) -> tuple[Patch, ...]:
        """The changes to make, in this direction."""
        patches = self.entry.patches
        return tuple(patch.reversed() for patch in patches) if self.do == "undo" else patches

    @property
    def abandoned(self) -> Entry:
        """The entry as it stands when the intention was given up."""
        states: dict[str, State] = {"record": "failed", "undo": "done", "redo": "undone"}
        return replace(self.entry, state=states[self.do])


def record_line(entry: Entry) -> bytes:
    """The line of a new entry: an intention until it is settled."""
    return _line(
        {
            "do": "record",
            "version": 1,
            "number": entry.number,
            "time": entry.time,
            "summary": entry.summary,
            "changes": [patch.to_json() for patch in entry.patches],
            "created": None if entry.created is None else str(entry.created),
            "created_files": dict(entry.created_files),
        }
    )


def turn_line(do: Literal["undo", "redo"], entry: Entry) -> bytes:
    """The line that announces an undo or a redo."""
    return _line({"do": do, "number": entry.number})


def replayed(content: bytes) -> tuple[tuple[Entry, ...], Intention | None]:
    """The entries, and the intention that is not settled.

    A damaged line is passed over: hashes guard every change, so at worst an undo is refused.
    """
    entries: dict[int, Entry] = {}
    pending: Intention | None = None
    for raw in content[: content.rfind(b"\n") + 1].split(b"\n"):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            line = json.loads(raw)
            match line["do"]:
                case "record":
                    entry = _entry(line)
                    entries = {number: _dropped(other) for number, other in entries.items()} | {entry.number: entry}
                    pending = Intention("record", entry)
                case "undo" | "redo" as do:
                    entry = replace(entries[line["number"]], state="undone" if do == "undo" else "done")
                    entries[entry.number] = entry
                    pending = Intention(do, entry)
                case "settle":
                    pending = None
                case "abandon" if pending is not None:
                    entries[pending.entry.number] = pending.abandoned
                    pending = None
    return tuple(entries.values()), pending


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values).encode("ascii") + b"\n"


def _dropped(entry: Entry) -> Entry:
    return replace(entry, state="dropped") if entry.state == "undone" else entry


def _entry(line: Mapping[str, Any]) -> Entry:
    patches = tuple(map(Patch.from_json, line["changes"]))
    created = None if line["created"] is None else Path(line["created"])
    summary, files = str(line["summary"]), dict(line["created_files"])
    return Entry(int(line["number"]), float(line["time"]), summary, patches, created, files, "done")
