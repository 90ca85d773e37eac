"""Where this program keeps what it can make again, for all folders of photos and all runs of a user."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`loratui` in XDG_CACHE_HOME, or in ~/.cache; a relative XDG_CACHE_HOME is ignored, as its specification asks."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "loratui"
