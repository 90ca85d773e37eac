"""Facts about photos, kept in ROOT/.loratui/facts.json so that an unchanged photo is measured once."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curation.atomic import write_text
from curation.faces import Face
from curation.photo import Hashes, PhotoFacts

VERSION = 2
"""Raised whenever a measurement changes, which makes the stored ones worthless."""


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


def read_facts(root: Path) -> dict[str, tuple[Stamp, PhotoFacts]]:
    """Stored facts by photo name; none when there are none, or none that this version understands."""
    try:
        stored = json.loads(_path(root).read_text("utf-8"))
        if stored["version"] != VERSION:
            return {}
        return {name: (Stamp(*entry["stamp"]), _facts(entry["facts"])) for name, entry in stored["photos"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def write_facts(root: Path, facts: Mapping[str, tuple[Stamp, PhotoFacts]]) -> None:
    """Store the facts; in a folder that cannot be written they are measured again next time."""
    photos = {
        name: {"stamp": [stamp.size, stamp.mtime_ns], "facts": _json(fact)} for name, (stamp, fact) in facts.items()
    }
    try:
        write_text(_path(root), json.dumps({"version": VERSION, "photos": photos}))
    except OSError:
        return


def _path(root: Path) -> Path:
    return root / ".loratui" / "facts.json"


def _json(facts: PhotoFacts) -> dict[str, Any]:
    return asdict(facts) | {"background": base64.b64encode(facts.background).decode("ascii")}


def _facts(values: dict[str, Any]) -> PhotoFacts:
    faces = values["faces"]
    return PhotoFacts(
        **values
        | {
            "hashes": Hashes(**values["hashes"]),
            "mirrored_hashes": Hashes(**values["mirrored_hashes"]),
            "background": base64.b64decode(values["background"]),
            "faces": None if faces is None else tuple(Face(**face) for face in faces),
        }
    )
