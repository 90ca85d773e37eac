"""The journal of a photo folder: a change to its small files is written down before it is made, and can be undone.

ROOT/.loratui/journal.jsonl is only added to. An entry is first an intention; a line `settle` follows when its files
are written, so whoever finds an intention without one knows that a process died there, and completes it.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from curation.atomic import sync, write_bytes
from curation.entries import ABANDON, SETTLE, Entry, Intention, record_line, replayed, turn_line
from curation.errors import CurationError
from curation.patch import Patch, digest
from curation.regular import open_own, read_regular
from curation.text import visible

LOCK_SECONDS = 10.0
"""How long to wait for another process, which needs milliseconds for an entry."""

WRITERS = 16
"""Files written at once: each waits for the disk, which takes many together. 5,000 caption files take 5 s, not 60."""

FILE = Path(".loratui", "journal.jsonl")
MEASURED = (".loratui/facts.jsonl", ".loratui/copies.jsonl")
METADATA_FILES = ("metadata.jsonl", "metadata.csv")


@dataclass(frozen=True)
class Change:
    """A change to one file.  before, after: its bytes, None where there is no such file."""

    path: Path
    before: bytes | None
    after: bytes | None


def record(root: Path, summary: str, changes: Sequence[Change], created: Path | None = None) -> Entry | None:
    """Change the files, all or none, so that it can be undone; returns None when there is nothing to change.

    The entry is on disk before any file changes, then each file is written whole.  changes: of different files; one
    that changes nothing is a condition.  created: a folder that is there already and belongs to this step.
    Raises CurationError, and changes nothing, when a file no longer holds `before`, lies outside the photo folder (an
    existing .toml file may), or cannot be written.
    """
    _must_hold(changes)
    real = [change for change in changes if change.before != change.after]
    if not real and created is None:
        return None
    with _open(root) as journal:
        _must_hold(changes)  # once more: another process may have held the journal
        patches = tuple(Patch.between(_stored(root, change.path), change.before, change.after) for change in real)
        for patch in patches:
            _place(root, patch)  # refuses what lies outside
        number = 1 + max((entry.number for entry in journal.entries), default=0)
        folder = None if created is None else created.resolve()
        entry = Entry(number, time.time(), summary, patches, folder, made_files(folder), "done")
        journal.append(record_line(entry))
        journal.carry_out(Intention("record", entry))
    return entry


def undo(root: Path) -> Entry:
    """Put back what the last entry changed, byte for byte, and return it.

    A folder that the entry made is removed.  Raises CurationError, and changes nothing, when there is nothing to undo,
    and when a file or the folder was changed since.
    """
    if not history(root):
        raise _nothing_to("undo", root)
    with _open(root) as journal:
        entry = next((entry for entry in reversed(journal.entries) if entry.state == "done"), None)
        if entry is None:
            raise _nothing_to("undo", root)
        intention = Intention("undo", entry)
        _must_match(root, intention)
        if entry.created is not None and entry.created.exists() and made_files(entry.created) != entry.created_files:
            raise CurationError(
                f"{visible(str(entry.created))} was changed since, so nothing was undone.",
                "Move what you need out of it and remove it, then undo again.",
            )
        journal.append(turn_line("undo", entry))
        journal.carry_out(intention)
    return replace(entry, state="undone")


def redo(root: Path) -> Entry:
    """Make the change that was undone last once more, and return it.

    Raises CurationError, and changes nothing, when there is none, when it made a folder, of which the journal keeps
    no copy, and when a file was changed since.
    """
    if not history(root):
        raise _nothing_to("redo", root)
    with _open(root) as journal:
        entry = next((entry for entry in journal.entries if entry.state == "undone"), None)
        if entry is None:
            raise _nothing_to("redo", root)
        if entry.created is not None:
            raise CurationError(
                f"The folder {visible(str(entry.created))} was removed, and the journal holds no copy of it.",
                "Make it again with the command that made it; `loratui history` names it.",
            )
        intention = Intention("redo", entry)
        _must_match(root, intention)
        journal.append(turn_line("redo", entry))
        journal.carry_out(intention)
    return replace(entry, state="done")


def history(root: Path) -> tuple[Entry, ...]:
    """All entries, oldest first. Raises CurationError for a path that is no folder."""
    if not root.is_dir():
        raise CurationError(f"There is no folder {visible(str(root))}.", "Check the path to the photos.")
    recover(root)
    return replayed(_read(root))[0]


def recover(root: Path) -> None:
    """Complete the entry that a killed process left half done. Without one, nothing is written.

    Raises CurationError when the folder cannot be written, or another process holds the journal.
    """
    content = _read(root)
    if not content.endswith((SETTLE, ABANDON)) and replayed(content)[1] is not None:
        with _open(root):
            return


@dataclass(frozen=True)
class _Journal:
    """The journal, opened and locked."""

    root: Path
    descriptor: int
    entries: tuple[Entry, ...]

    def append(self, line: bytes) -> None:
        """Add a line; it is on the disk when this returns. Raises CurationError."""
        try:
            while line:
                line = line[os.write(self.descriptor, line) :]
            os.fsync(self.descriptor)
        except OSError as error:
            raise _unusable(self.root, error) from error

    def carry_out(self, intention: Intention) -> None:
        """Write the files and settle; when one cannot be, or was changed meanwhile, put the others back and raise.

        Where even settling or putting back fails, the intention stays open, and the next use completes it.
        """
        patches = intention.patches
        try:
            missed = _write(self.root, patches)
            if missed:
                raise CurationError(
                    f"{visible(str(missed[0].path))} was changed by another program meanwhile, so nothing was written.",
                    "Open the photos again to see what is there now, then repeat the step.",
                )
            if intention.do == "undo":
                _remove_created(intention.entry)
        except CurationError:
            with contextlib.suppress(CurationError):
                _write(self.root, [patch.reversed() for patch in patches])
                self.append(ABANDON)
            raise
        with contextlib.suppress(CurationError):
            self.append(SETTLE)


@contextlib.contextmanager
def _open(root: Path) -> Iterator[_Journal]:
    """Lock the journal, cut off a line that a dying process did not finish, and complete what it left half done."""
    path = root / FILE
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = open_own(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise _unusable(root, error) from error
    try:
        _lock(root, descriptor)
        content = _read(root)
        try:
            if not content.endswith(b"\n"):  # it was not on the disk when its process died, so nothing followed it
                os.ftruncate(descriptor, content.rfind(b"\n") + 1)
            sync(path.parent)
        except OSError as error:
            raise _unusable(root, error) from error
        entries, pending = replayed(content)
        journal = _Journal(root, descriptor, entries)
        if pending is not None:
            journal.carry_out(pending)
        yield journal
    finally:
        os.close(descriptor)


def _lock(root: Path, descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise CurationError(
                    f"Another program holds the journal of {visible(str(root))}.", "Close it, and try again."
                ) from error
            time.sleep(0.02)
        except OSError as error:
            if error.errno in {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS}:  # a network drive without locks
                return
            raise _unusable(root, error) from error


def _read(root: Path) -> bytes:
    try:
        return read_regular(root / FILE)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise _unusable(root, error) from error


def _stored(root: Path, path: Path) -> Path:
    """The path as the journal keeps it: relative inside the photo folder, which may be moved one day."""
    place = path.parent.resolve() / path.name
    return place.relative_to(root.resolve()) if place.is_relative_to(root.resolve()) else place


def _place(root: Path, patch: Patch) -> Path:
    """Where the file lies, links followed, so that a link to a shared metadata file stays a link.

    Raises CurationError outside the photo folder: it may come from a stranger, its journal and links with it, and none
    may have us write anywhere else. Only a file of settings that is there already may lie elsewhere, and what the
    folder's metadata file is a link to, if that is a table of the same kind.
    """
    path = root / patch.path
    folder, place = path.parent.resolve(), path.resolve()
    is_shared = path.name in METADATA_FILES and place.suffix == path.suffix
    inside = folder.is_relative_to(root.resolve()) and (is_shared or place.is_relative_to(root.resolve()))
    is_settings = path.suffix == place.suffix == ".toml" and patch.before is not None and patch.after is not None
    if place != folder / path.name and not place.exists():
        raise CurationError(
            f"{visible(str(patch.path))} is a link to a file that is not there.",
            "Put the file back, or remove the link, and try again.",
        )
    if not (inside or is_settings):
        raise CurationError(
            f"{visible(str(patch.path))} lies outside the folder {visible(str(root))}, and is not written to.",
            f"Put a file in the place of a link. If it is {FILE} that names it, remove that: what it recorded can then "
            "not be undone.",
        )
    return place


def _content(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CurationError(
            f"{visible(path.name)} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error


def _must_hold(changes: Sequence[Change]) -> None:
    for change in changes:
        now = _content(change.path)
        if now != change.before:
            raise CurationError(
                f"{visible(change.path.name)} was changed by another program, so nothing was written: "
                f"{_difference(change.before, now)}.",
                "Open the photos again to see what is there now, then repeat the edit.",
            )


def _difference(before: bytes | None, now: bytes | None) -> str:
    """The first line that differs, in words."""
    if now is None:
        return "it is gone"
    if before is None:
        return "it was made meanwhile"
    old, new = before.splitlines(), now.splitlines()
    count = next((i for i, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), None)
    number = min(len(old), len(new)) if count is None else count
    if number >= len(new):
        return f"its line {number + 1} is gone" if number < len(old) else "its last line break is another one"
    line = visible(new[number].decode("utf-8", "replace"))
    return f'its line {number + 1} is now "{line[:80]}{"…" if len(line) > 80 else ""}"'


def _must_match(root: Path, intention: Intention) -> None:
    for patch in intention.patches:
        if digest(_content(_place(root, patch))) != patch.before:
            done = "undone" if intention.do == "undo" else "redone"
            raise CurationError(
                f"{visible(str(patch.path))} was changed by another program since, so nothing was {done}.",
                "Take that change back first, or go on from what is there now.",
            )


def _write(root: Path, patches: Sequence[Patch]) -> list[Patch]:
    """Make the changes; returns those whose files hold neither version, and stay as they are. Raises CurationError."""
    with ThreadPoolExecutor(WRITERS) as pool:
        written = list(pool.map(lambda patch: _write_one(root, patch), patches))
    return [patch for patch, is_written in zip(patches, written, strict=True) if not is_written]


def _write_one(root: Path, patch: Patch) -> bool:
    """Make the change where the file still holds `before`; returns whether it now holds `after`."""
    place = _place(root, patch)
    content = _content(place)
    if digest(content) != patch.before:
        return digest(content) == patch.after  # written before its process died
    new = patch.applied(content)
    try:
        if new is None:
            place.unlink()
            sync(place.parent)
        else:
            write_bytes(place, new)
    except OSError as error:
        raise _unwritable(patch.path, error) from error
    return True


def made_files(folder: Path | None) -> dict[str, str]:
    """The SHA-256 of every file in the folder, by name; what is no regular file has none. Raises CurationError.

    What lint measured in it is not counted: that can be measured again.
    """
    if folder is None:
        return {}
    files = {}
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_dir():
                regular = path.is_file() and not path.is_symlink()
                files[path.relative_to(folder).as_posix()] = (
                    hashlib.sha256(read_regular(path)).hexdigest() if regular else ""
                )
    except OSError as error:
        raise CurationError(
            f"{visible(str(folder))} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    return {name: digest for name, digest in files.items() if name not in MEASURED}


def _remove_created(entry: Entry) -> None:
    """Remove the folder that the entry made, unless it was changed. Raises CurationError."""
    if entry.created is None:
        return
    # Renamed first: a process that dies in the middle leaves no folder that looks whole.
    leaving = entry.created.with_name(f".{entry.created.name}.undo-{entry.number}.tmp")
    if entry.created.is_dir() and made_files(entry.created) == entry.created_files:
        try:
            entry.created.replace(leaving)
        except OSError as error:
            raise _unwritable(entry.created, error) from error
    shutil.rmtree(leaving, ignore_errors=True)


def _nothing_to(do: str, root: Path) -> CurationError:
    return CurationError(
        f"There is nothing to {do} in {visible(str(root))}.", "`loratui history` shows what was written there."
    )


def _unwritable(path: Path, error: OSError) -> CurationError:
    return CurationError(
        f"{visible(str(path))} cannot be written: {error.strerror}.",
        "Make the photo folder writable and free some space, or work on a copy of it.",
    )


def _unusable(root: Path, error: OSError) -> CurationError:
    return CurationError(
        f"The journal {visible(str(root / FILE))} cannot be used: {error.strerror}.",
        "Make the photo folder writable and free some space, or work on a copy of it.",
    )
