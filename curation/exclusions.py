"""The list of photos that are left out of training, in ROOT/.loratui/exclusions.json."""

import json
from collections.abc import Mapping
from pathlib import Path

from curation.atomic import write_text
from curation.errors import CurationError


def read_exclusions(root: Path) -> dict[str, str]:
    """The reason for each photo that is left out, by name. Raises CurationError for a file that is not valid."""
    path = _path(root)
    try:
        excluded = json.loads(path.read_text("utf-8"))["excluded"]
        if not all(isinstance(reason, str) for reason in excluded.values()):
            raise TypeError("a reason is not text")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CurationError(
            f"The list of excluded photos cannot be read: {path} ({error}).",
            "Mend it, or delete it to train on every photo again.",
        ) from error
    return dict(excluded)


def write_exclusions(root: Path, excluded: Mapping[str, str]) -> None:
    """Replace the list, whole. Raises CurationError when the folder cannot be written."""
    path = _path(root)
    try:
        write_text(path, json.dumps({"version": 1, "excluded": dict(sorted(excluded.items()))}, indent=1) + "\n")
    except OSError as error:
        raise CurationError(
            f"The list of excluded photos cannot be written: {path} ({error.strerror}).",
            "Make the photo folder writable, or work on a copy of it.",
        ) from error


def _path(root: Path) -> Path:
    return root / ".loratui" / "exclusions.json"
