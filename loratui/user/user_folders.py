"""Where a user's preferences and the program's memory of past sessions lie, as the XDG specification asks."""

import os
from pathlib import Path


def config_folder() -> Path:
    """`loratui` in XDG_CONFIG_HOME, or in ~/.config."""
    return _folder("XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """`loratui` in XDG_STATE_HOME, or in ~/.local/state."""
    return _folder("XDG_STATE_HOME", ".local/state")


def _folder(variable: str, default: str) -> Path:
    home = os.environ.get(variable, "")
    return (Path(home) if home.startswith("/") else Path.home() / default) / "loratui"  # a relative one is ignored
