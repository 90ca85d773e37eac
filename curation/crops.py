"""Where training crops a photo, as a person placed it: the crop's centre, in ROOT/.loratui/crops.json."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from curation.errors import CurationError
from curation.journal import Change
from curation.regular import read_regular
from curation.text import visible

FILE = Path(".loratui", "crops.json")

Focus = tuple[float, float]
"""The centre of a crop: fractions, 0 to 1, of the upright photo's width, from the left, and height, from the top."""


def read_crops(root: Path) -> dict[str, Focus]:
    """The focus of each photo that has one, by name. Raises CurationError for a file that is not valid."""
    return _read(root)[1]


def crops_change(root: Path, focuses: Mapping[str, Focus | None]) -> Change:
    """The change of the file that gives photos another focus, or none.

    Raises CurationError for a focus that lies outside of its photo, and for a file that is not valid.
    """
    for name, focus in focuses.items():
        if focus is not None and not _is_inside(focus):
            raise CurationError(
                f"The centre of a crop of {visible(name)} lies outside of the photo: {focus[0]:g},{focus[1]:g}.",
                "Give fractions of its width and height between 0 and 1, such as 0.5,0.3.",
            )
    before, old = _read(root)
    new = {name: focus for name, focus in (old | dict(focuses)).items() if focus is not None}
    return Change(root / FILE, before, before if new == old else dump(new))


def dump(crops: Mapping[str, Focus]) -> bytes:
    """The content of the file."""
    return (json.dumps({"version": 1, "crops": dict(sorted(crops.items()))}, indent=1) + "\n").encode("ascii")


def _read(root: Path) -> tuple[bytes | None, dict[str, Focus]]:
    path = root / FILE
    try:
        content = read_regular(path)
        return content, {name: _parsed(focus) for name, focus in json.loads(content)["crops"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return None, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CurationError(
            f"The list of crops cannot be read: {visible(str(path))} ({visible(str(error))}).",
            "Mend it, or delete it to have every photo cropped as the settings say.",
        ) from error


def _parsed(stored: object) -> Focus:
    if not isinstance(stored, list) or len(stored) != 2 or not all(type(one) in (int, float) for one in stored):
        raise TypeError("a centre is not two numbers")
    focus = (float(stored[0]), float(stored[1]))
    if not _is_inside(focus):
        raise ValueError("a centre lies outside of its photo")
    return focus


def _is_inside(focus: Focus) -> bool:
    return all(math.isfinite(one) and 0 <= one <= 1 for one in focus)
