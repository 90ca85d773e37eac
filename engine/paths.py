"""Paths as people type them, and the one of the settings."""

import os
from pathlib import Path

CONFIG_FILE = Path("lora.toml")
"""The settings of a training, in the folder that one works in."""


def typed_path(text: str) -> Path:
    """The path that was typed, with `~` for one's home; a `~name` that nobody has stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises RuntimeError there


def is_there(path: Path) -> bool:
    """Whether it exists; False also for what can be no path (too long, a null byte), where Path.exists raises."""
    return os.path.exists(path)  # noqa: PTH110
