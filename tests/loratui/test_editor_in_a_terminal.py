"""$EDITOR from the TUI, in a real terminal: it gets the screen, and what it wrote comes back."""

import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.dataset import open_dataset, save_captions
from tests.loratui.program import COMMAND, PATIENCE_SECONDS, wait_until

EDITOR = """
import sys
file = open(sys.argv[-1], "r+")
text = file.read()
file.seek(0)
file.write(text.replace("TOK", "SKS"))
print("an editor has the screen", sys.stdout.isatty())
"""


class Screen:
    """The program in a terminal.  written: all that it wrote there."""

    def __init__(self, photos: Path, **environment: str) -> None:
        self._ours, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (30, 100))
        self.program = subprocess.Popen(
            [*COMMAND, "--photos", str(photos)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=photos.parent,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(terminal)
        self.written = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.written += os.read(self._ours, 65536)
            except OSError:  # EIO: the program has let go of it
                return

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def shows(self, words: str) -> None:
        """Wait until these words were written."""
        wait_until(lambda: words.encode() in self.written, words)


@pytest.fixture
def screen(photos: Path, tmp_path: Path) -> Iterator[Screen]:
    save_captions(open_dataset(photos), {"astronaut.png": "a TOK woman", "cat.png": "a TOK cat"})
    script = tmp_path / "editor.py"
    script.write_text(EDITOR)
    screen = Screen(photos, VISUAL=f"{sys.executable} {script}")
    yield screen
    screen.program.kill()
    screen.program.wait()


@pytest.mark.slow
def test_marked_captions_go_through_the_users_editor_and_are_saved(screen: Screen, photos: Path) -> None:
    screen.shows("6 Results")
    screen.press("3")
    screen.shows("Next without")
    screen.press("  E")
    screen.shows("an editor has the screen True")
    wait_until(lambda: open_dataset(photos).photos[1].caption == "a SKS cat", "the caption on the disk")
    assert open_dataset(photos).photos[0].caption == "a SKS woman"
    screen.press("q")
    assert screen.program.wait(PATIENCE_SECONDS) == 0
