"""Settings that were typed and are not in lora.toml yet, kept from session to session in the state folder."""

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from curation.atomic import write_text
from loratui.user.user_folders import state_folder


@dataclass(frozen=True)
class Draft:
    """settings: what was typed, by the setting's name; empty for one that was taken back.

    config: the digest of the lora.toml on top of which that was; None where there was none.
    """

    settings: Mapping[str, str]
    config: str | None = None


STORED = TypeAdapter(Draft)


class KeptDraft:
    """The draft of one folder, and its file, which is written when the draft is another one.

    draft: what the file holds.
    """

    def __init__(self, path: Path, saver: Executor) -> None:
        self.draft = read_draft(path) or Draft({})
        self._path = path
        self._saver = saver
        self._writing: Future[None] | None = None

    def keep(self, draft: Draft) -> None:
        """Have the file hold `draft`, after what is being written already. Raises OSError."""
        if self._writing:
            wait([self._writing])
        if self._is_new(draft):
            self._write(draft)

    def begin(self, draft: Draft) -> None:
        """The same in the background: a busy disk holds up no key. What fails is tried again the next time."""
        if (self._writing is None or self._writing.done()) and self._is_new(draft):
            self._writing = self._saver.submit(self._write, draft)

    def _is_new(self, draft: Draft) -> bool:
        return draft != self.draft and bool(draft.settings or self.draft.settings)

    def _write(self, draft: Draft) -> None:
        write_draft(self._path, draft)
        self.draft = draft


def draft_file(photos: Path | None, config: Path) -> Path:
    """Where the settings for a folder of photos are kept that are to go into the lora.toml at `config`.

    photos: None for settings that are typed before there is a folder.
    """
    paths = b"\0".join(os.fsencode(path.resolve()) if path else b"" for path in (photos, config))
    return state_folder() / "drafts" / f"{hashlib.sha256(paths).hexdigest()[:24]}.json"


def read_draft(path: Path) -> Draft | None:
    """What is kept there; None where nothing is, or nothing of ours."""
    try:
        return STORED.validate_python(json.loads(path.read_text("utf-8"))["draft"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_draft(path: Path, draft: Draft) -> None:
    """Keep a draft, readable by its owner only; one without settings is forgotten. Raises OSError."""
    if not draft.settings:
        path.unlink(missing_ok=True)
        return
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_text(path, json.dumps({"version": 1, "draft": asdict(draft)}, indent=1) + "\n")


def config_digest(config: Path) -> str | None:
    """Tells one content of lora.toml from another; None where there is none that can be read."""
    try:
        return hashlib.sha256(config.read_bytes()).hexdigest()
    except OSError:
        return None
