"""What the program said in this session: kept for the log screen, and written whole to log.txt in the state folder."""

import contextlib
import time
import traceback
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curation.redaction import redacted
from loratui.user.user_folders import state_folder

Severity = Literal["information", "warning", "error"]

MOST_KEPT = 1000
MOST_BYTES = 1_000_000
"""Of log.txt, before it becomes log.1.txt and the one before it goes."""


@dataclass(frozen=True)
class LogEntry:
    """time: seconds since the epoch.  text: what was said, in a line or two.  whole: with the traceback, if any."""

    time: float
    severity: Severity
    text: str
    whole: str


class AppLog:
    """The entries of a session, the newest last."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or state_folder() / "log.txt"
        self.entries: deque[LogEntry] = deque(maxlen=MOST_KEPT)

    def add(self, text: str, severity: Severity = "information", error: BaseException | None = None) -> LogEntry:
        """Keep what was said, and write it to the file; a disk that refuses is no reason to stop."""
        whole = text
        if error is not None and error.__traceback__ is not None:
            whole = f"{text}\n{''.join(traceback.format_exception(error))}".rstrip()
        entry = LogEntry(time.time(), severity, redacted(text), redacted(whole))
        self.entries.append(entry)
        with contextlib.suppress(OSError):
            self._write(entry)
        return entry

    def _write(self, entry: LogEntry) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > MOST_BYTES:
            self.path.replace(self.path.with_name("log.1.txt"))
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time))
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{stamp} {entry.severity} {entry.whole}\n")
