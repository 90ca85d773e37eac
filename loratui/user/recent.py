"""The folders of photos that were opened last, remembered from session to session."""

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curation.atomic import write_text
from loratui.user.user_folders import state_folder

MOST_KEPT = 30


@dataclass(frozen=True)
class RecentFolder:
    """path: absolute.  photos: how many were to train on.  opened: seconds since the epoch.  runs_dir: of its runs."""

    path: str
    photos: int
    opened: float
    runs_dir: str

    @property
    def is_there(self) -> bool:
        return Path(self.path).is_dir()


def recent_file() -> Path:
    """The file that remembers them."""
    return state_folder() / "recent.json"


def recent_folders() -> list[RecentFolder]:
    """Most recent first; none where nothing was remembered or the file is damaged."""
    try:
        return [_read(**stored) for stored in json.loads(recent_file().read_text("utf-8"))["folders"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def remember_folder(folder: Path, photos: int, runs_dir: Path) -> None:
    """Put a folder first. A disk that takes no memory is no reason to keep anybody from working."""
    path = str(folder.resolve())
    latest = RecentFolder(path, photos, time.time(), str(runs_dir.resolve()))
    _write([latest, *(each for each in recent_folders() if each.path != path)][:MOST_KEPT])


def forget_folder(path: str) -> None:
    """Take a folder off the list; nothing on disk but the list changes."""
    _write([each for each in recent_folders() if each.path != path])


def _write(folders: list[RecentFolder]) -> None:
    with contextlib.suppress(OSError):
        write_text(recent_file(), json.dumps({"version": 1, "folders": [asdict(each) for each in folders]}) + "\n")


def _read(path: Any, photos: Any, opened: Any, runs_dir: Any, **_: Any) -> RecentFolder:
    """A folder as the file holds it. Raises ValueError for one that is none."""
    if not (isinstance(path, str) and isinstance(runs_dir, str) and isinstance(photos, int) and 0 <= opened < 1e12):
        raise ValueError(path)
    return RecentFolder(path, photos, opened, runs_dir)
