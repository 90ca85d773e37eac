"""Pointing a lora.toml at the mended copy of its photos."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigError

if TYPE_CHECKING:
    from curation.dataset import Dataset
    from curation.journal import Change

CONFIG_FILE = Path("lora.toml")
NAMING_KEYS = ("instance_data_dir", "dataset_name")


@dataclass(frozen=True)
class Repointing:
    """A lora.toml that names the photos.  setting: the line that names the copy.  change: makes the file say so."""

    config: Path
    setting: str
    change: "Change"


def repointing(
    dataset: "Dataset", output: Path | None, config: Path | None, required: bool = False
) -> Repointing | None:
    """How to point a lora.toml at the copy: `config`, or the one in the current folder, if it names these photos.

    required: raise ConfigError where there is none.
    """
    from tomlkit.exceptions import TOMLKitError

    from curation.fixes import default_output

    path = config or CONFIG_FILE
    found = None
    # Anything that is not a lora.toml about photos is none.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, TOMLKitError):
        found = _repointed(path, dataset.root.resolve(), (output or default_output(dataset)).resolve())
    if required and found is None:
        raise ConfigError(
            f"{path} does not name {dataset.root} as its photos, so it cannot be pointed at the copy.",
            "Give the lora.toml that names them with --config.",
        )
    return found


def _repointed(path: Path, photos: Path, copy: Path) -> Repointing | None:
    import tomlkit

    from curation.journal import Change
    from engine.paths import typed_path

    content = path.read_bytes()
    document = tomlkit.parse(content)
    data: Any = document["data"]
    settings = []
    for key in NAMING_KEYS:
        named = data.get(key)
        if isinstance(named, str) and typed_path(named).resolve() == photos:
            data[key] = str(copy) if typed_path(named).is_absolute() else os.path.relpath(copy)
            settings.append(f"{key} = {data[key].as_string()}")
    change = Change(path, content, tomlkit.dumps(document).encode("utf-8"))
    return Repointing(path, settings[0], change) if settings else None
