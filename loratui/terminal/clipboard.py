"""Copying to the user's own clipboard: through tmux, through the terminal, or through a desktop's tool."""

import base64
import os
import shutil
import subprocess
from collections.abc import Callable

from curation.errors import CurationError

MOST_BASE64 = 74_994
"""Characters that xterm and hterm take in one OSC 52; others take more."""
SECONDS = 2.0


def copy(text: str, write: Callable[[str], object]) -> str:
    """Copy the text and return by which way, such as "tmux".  write: sends a sequence to the terminal.

    Inside tmux its own buffer is set, which it hands on to the terminal: it drops an application's OSC 52.  Elsewhere
    OSC 52 is sent, which no terminal confirms.  Raises CurationError where there is no way.
    """
    if "TMUX" in os.environ and _fed(["tmux", "load-buffer", "-w", "-"], text):
        return "tmux"
    data = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")
    if "STY" not in os.environ and len(data) <= MOST_BASE64:
        write(f"\x1b]52;c;{data}\a")
        return "the terminal"
    for display, command in (("WAYLAND_DISPLAY", ["wl-copy"]), ("DISPLAY", ["xclip", "-selection", "clipboard"])):
        if os.environ.get(display) and _fed(command, text):
            return command[0]
    raise CurationError(
        f"The text ({len(text)} characters) cannot be copied from here.",
        "Run loratui in tmux, where a text of any length can be copied; screen passes none on.",
    )


def _fed(command: list[str], text: str) -> bool:
    """Whether the program is there and took the text."""
    if not shutil.which(command[0]):
        return False
    try:
        content = text.encode("utf-8", "surrogatepass")
        # A clipboard's owner goes on in the background: it must not hold on to our output.
        ended = subprocess.run(
            command, input=content, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return ended.returncode == 0
