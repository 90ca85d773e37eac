"""A change to one file, kept small: what stands between the bytes that both versions share, and a hash of each."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Patch:
    """Turns one version of a file into another.

    path: relative to the photo folder, or absolute outside of it.  start: how many first bytes both versions share.
    removed, added: what stands between there and the last bytes that they share.  before, after: SHA-256 of the
    versions, in hex; None where there is no such file.
    """

    path: Path
    start: int
    removed: bytes
    added: bytes
    before: str | None
    after: str | None

    @classmethod
    def between(cls, path: Path, before: bytes | None, after: bytes | None) -> "Patch":
        """The patch from one content to the other; None is no file."""
        old, new = before or b"", after or b""
        start = _shared(old, new)
        end = _shared(old[start:][::-1], new[start:][::-1])
        removed, added = old[start : len(old) - end], new[start : len(new) - end]
        return cls(path, start, removed, added, digest(before), digest(after))

    def reversed(self) -> "Patch":
        """The patch back."""
        return Patch(self.path, self.start, self.added, self.removed, self.after, self.before)

    def applied(self, content: bytes | None) -> bytes | None:
        """The other version. content: the one that `before` is the hash of."""
        if self.after is None:
            return None
        old = content or b""
        return old[: self.start] + self.added + old[self.start + len(self.removed) :]

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "start": self.start,
            "removed": base64.b64encode(self.removed).decode("ascii"),
            "added": base64.b64encode(self.added).decode("ascii"),
            "before": self.before,
            "after": self.after,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Patch":
        """Raises KeyError, TypeError or ValueError for values that are no patch."""
        if "\0" in values["path"]:
            raise ValueError("no path has a zero byte")
        return cls(
            Path(values["path"]),
            int(values["start"]),
            base64.b64decode(values["removed"], validate=True),
            base64.b64decode(values["added"], validate=True),
            values["before"],
            values["after"],
        )


def digest(content: bytes | None) -> str | None:
    """The SHA-256 of a file's content, in hex; None for no file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def _shared(one: bytes, other: bytes) -> int:
    """How many first bytes are the same: by halves, as comparing slices is quick and looping over bytes is not."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
