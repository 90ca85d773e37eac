"""The list of photos that are left out of training, in ROOT/.loratui/exclusions.json."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from curation.errors import CurationError
from curation.journal import Change
from curation.regular import read_regular

FILE = Path(".loratui", "exclusions.json")


def read_exclusions(root: Path) -> dict[str, str]:
    """The reason for each photo that is left out, by name. Raises CurationError for a file that is not valid."""
    return _read(root)[1]


def exclusions_change(root: Path, reasons: Mapping[str, str], included: Collection[str] = ()) -> Change:
    """The change of the list that leaves out more photos, each with its reason, and takes back those `included`.

    Raises CurationError for a list that is not valid.
    """
    before, old = _read(root)
    new = {name: reason for name, reason in old.items() if name not in included} | dict(reasons)
    if new == old:
        return Change(root / FILE, before, before)
    text = json.dumps({"version": 1, "excluded": dict(sorted(new.items()))}, indent=1) + "\n"
    return Change(root / FILE, before, text.encode("ascii"))


def _read(root: Path) -> tuple[bytes | None, dict[str, str]]:
    path = root / FILE
    try:
        content = read_regular(path)
        excluded = json.loads(content)["excluded"]
        if not all(isinstance(reason, str) for reason in excluded.values()):
            raise TypeError("a reason is not text")
    except (FileNotFoundError, NotADirectoryError):
        return None, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CurationError(
            f"The list of excluded photos cannot be read: {path} ({error}).",
            "Mend it, or delete it to train on every photo again.",
        ) from error
    return content, dict(excluded)
