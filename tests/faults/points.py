"""The points of a worker's life at which something may happen to it: before each change that it makes to the disk.

What lies between two points changes nothing that outlives the process, so that a kill at any moment is one at a point.
"""

import builtins
import io
import json
import os
import re
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")


class Points:
    """Calls `at` with the name of each point that the process comes to, in files below `folder`.

    A name is what will be done, and where: `rename dog/output/#2 -> dog.safetensors`.  #2 is the second temporary file
    that the process made in that folder, # one that was made otherwise.  A line of events.jsonl is named for its event.
    The first write of a file, and each event, is done in two halves, with a point between them.
    """

    def __init__(self, folder: Path, at: Callable[[str], None]) -> None:
        self._folder, self._at = str(folder.resolve()), at
        self._numbers: dict[str, dict[str, int]] = {}
        self._lock = threading.RLock()

    def watch(self) -> None:
        """From here on, in this process and for good, every change to the disk passes through `at`."""
        write = os.write
        builtins.open = io.open = self._opening(builtins.open)  # type: ignore[assignment]
        os.open = self._creating(os.open)
        os.write = self._writing(write)
        for name in ("unlink", "rmdir", "mkdir"):
            setattr(os, name, self._changing(name, getattr(os, name)))
        for name in ("rename", "replace"):
            setattr(os, name, self._renaming(getattr(os, name)))
        os.fsync = self._syncing(os.fsync)

    def _pass(self, operation: str, path: str, detail: str = "") -> None:
        with self._lock:
            if (place := self._place(path, is_new=operation == "create")) is not None:
                self._at(f"{operation} {place}{detail}")

    def _place(self, path: str, is_new: bool = False) -> str | None:
        """`path` from the folder on, with a number for a temporary name; None outside of the folder."""
        path = str(Path(path).absolute())
        if not path.startswith(f"{self._folder}/"):
            return None
        folder, _, name = path.removeprefix(f"{self._folder}/").rpartition("/")
        if is_new and TEMPORARY.fullmatch(name):
            self._numbers.setdefault(folder, {})[name] = len(self._numbers.get(folder, {})) + 1
        name = f"#{self._numbers[folder][name]}" if name in self._numbers.get(folder, {}) else TEMPORARY.sub("#", name)
        return f"{TEMPORARY.sub('#', folder)}/{name}" if folder else name

    def _creating(self, function: Callable[..., int]) -> Callable[..., int]:
        @wraps(function)
        def open_(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT:
                self._pass("create", os.fspath(path))
            return function(path, flags, *arguments, **options)

        return open_

    def _opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def open_(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            opened = function(file, mode, *arguments, **options)
            if set(mode) & set("wxa+") and not isinstance(file, int) and self._place(os.fspath(file)):
                self._halve_first_write(opened, os.fspath(file))
            return opened

        return open_

    def _halve_first_write(self, file: Any, path: str) -> None:
        write = file.write

        def first(content: Any) -> int:
            file.write = write
            half = len(content) // 2
            self._pass("write", path)
            write(content[:half])
            file.flush()
            self._pass("write the second half of", path)
            write(content[half:])
            return len(content)

        file.write = first

    def _writing(self, function: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
        def write(descriptor: int, content: Any) -> int:
            path = _path_of(descriptor)
            if not path.endswith("/events.jsonl"):
                return function(descriptor, content)
            detail = _event_name(content)
            self._pass("write", path, detail)
            written = function(descriptor, content[: len(content) // 2])
            self._pass("write the second half of", path, detail)
            return written + function(descriptor, content[written:])

        return write

    def _changing(self, name: str, function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def change(path: Any, *arguments: Any, **options: Any) -> None:
            folder = options.get("dir_fd")
            whole = os.fspath(path) if folder is None else f"{_path_of(folder)}/{os.fspath(path)}"
            if os.path.lexists(whole) or name == "mkdir":
                self._pass(name, whole)
            function(path, *arguments, **options)

        return change

    def _renaming(self, function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def rename(source: Any, target: Any, **options: Any) -> None:
            self._pass("rename", os.fspath(source), f" -> {TEMPORARY.sub('#', Path(target).name)}")
            function(source, target, **options)

        return rename

    def _syncing(self, function: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(descriptor: int) -> None:
            self._pass("sync", _path_of(descriptor))
            function(descriptor)

        return fsync


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _event_name(line: bytes) -> str:
    """` phase training`, ` step 3`, ` finished 8`: what tells an event from others."""
    if not line.strip():
        return " the end of a torn line"
    event = json.loads(line)
    return "".join(f" {event[key]}" for key in ("type", "phase", "step", "done") if key in event)
