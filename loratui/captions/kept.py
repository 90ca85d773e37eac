"""Captions that the photos' own files did not take, in a file of ours until they do."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from curation.atomic import write_text
from loratui.user.user_folders import state_folder


def keep_captions(photos: Path, captions: Mapping[str, str]) -> Path:
    """Keep captions by photo name, in place of those kept before, and return where.

    That is beside the photos, so that they go where the folder goes, or else in the state folder.  Raises OSError when
    neither place takes them.
    """
    try:
        kept = write_captions_file(_beside(photos), captions)
    except OSError:
        _elsewhere(photos).parent.parent.mkdir(parents=True, exist_ok=True)
        _elsewhere(photos).parent.mkdir(mode=0o700, exist_ok=True)
        return write_captions_file(_elsewhere(photos), captions)
    _elsewhere(photos).unlink(missing_ok=True)
    return kept


def kept_captions(photos: Path) -> dict[str, str]:
    """Those that are kept of a folder, by photo name."""
    return read_captions_file(_beside(photos)) | read_captions_file(_elsewhere(photos))


def forget_captions(photos: Path) -> None:
    """Keep none of a folder any more: they are saved."""
    for file in (_beside(photos), _elsewhere(photos)):
        file.unlink(missing_ok=True)


def write_captions_file(path: Path, captions: Mapping[str, str]) -> Path:
    """Write captions by photo name. Raises OSError."""
    write_text(path, json.dumps({"version": 1, "captions": captions}, indent=1) + "\n")
    return path


def read_captions_file(path: Path) -> dict[str, str]:
    """Captions by photo name; none from a file that is not there or not ours."""
    try:
        captions = json.loads(path.read_text("utf-8"))["captions"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: caption for name, caption in captions if isinstance(caption, str)}


def _beside(photos: Path) -> Path:
    return photos / ".loratui" / "unsaved-captions.json"


def _elsewhere(photos: Path) -> Path:
    name = hashlib.sha256(os.fsencode(photos.resolve())).hexdigest()[:24]
    return state_folder() / "unsaved-captions" / f"{name}.json"
