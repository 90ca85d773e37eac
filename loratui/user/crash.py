"""The report that an error nobody expected leaves behind: enough to mend it, without what was typed."""

import os
import platform
import sys
import time
import traceback
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from curation.atomic import write_text
from curation.redaction import redacted
from loratui.user.user_folders import state_folder

MOST_REPORTS = 10
PACKAGES = ("loratui", "textual", "rich", "Pillow", "pydantic", "torch")
VARIABLES = ("TERM", "COLORTERM", "LANG", "LC_ALL", "TMUX", "SSH_CONNECTION", "NO_COLOR")


def write_crash_report(error: BaseException, screen: str, keys: Iterable[str], recipe: str) -> Path:
    """Write one to the state folder and return its path; of the older ones the last few stay.

    screen: what was on view.  keys: the last ones, without typed text.  recipe: the settings as they were, in TOML.
    Raises OSError.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    report = "\n".join(
        [
            f"loratui stopped at {time.strftime('%Y-%m-%d %H:%M:%S')}",
            "",
            *(f"{name}: {_version(name)}" for name in PACKAGES),
            f"python: {platform.python_version()}",
            f"platform: {platform.platform()}",
            *(
                f"{name}: {'set' if name == 'SSH_CONNECTION' else os.environ[name]}"
                for name in VARIABLES
                if name in os.environ
            ),
            f"encoding: {getattr(sys.__stderr__, 'encoding', None)}",
            f"screen: {screen}",
            f"last keys: {' '.join(keys)}",
            "",
            "".join(traceback.format_exception(error)),
            "The settings as they were:",
            recipe,
        ]
    )
    path = state_folder() / "crashes" / f"{stamp}.txt"
    write_text(path, redacted(report))
    for old in sorted(path.parent.glob("*.txt"))[:-MOST_REPORTS]:
        old.unlink(missing_ok=True)
    return path


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
