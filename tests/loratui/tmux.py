"""A tmux of the test's own: its server, the program in it, clients that come and are killed, keys, and the screen."""

import os
import pty
import shlex
import signal
import subprocess
import termios
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.loratui.program import wait_until

NARROW = (80, 24)


class Tmux:
    """One session of one server."""

    def __init__(self, folder: Path, size: tuple[int, int], environment: dict[str, str]) -> None:
        self._socket = folder / f"tmux-{uuid.uuid4().hex[:8]}"
        self._size = size
        self._environment = {**os.environ, "TERM": "xterm-256color", **environment}

    def _ask(self, *words: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment).stdout

    def start(self, command: Sequence[str], folder: Path) -> None:
        """Run a command as the session's only window."""
        width, height = map(str, self._size)
        self._ask("new-session", "-d", "-x", width, "-y", height, "-c", str(folder), shlex.join(command))

    def press(self, *keys: str) -> None:
        """Send keys, by tmux's names for them."""
        self._ask("send-keys", *keys)

    def write(self, text: str) -> None:
        """Send text as it is."""
        self._ask("send-keys", "-l", text)

    def resize(self, width: int, height: int) -> None:
        """Make the window larger or smaller."""
        self._ask("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        """What the window shows."""
        return self._ask("capture-pane", "-p")

    def sees(self, *words: str) -> None:
        """Wait until all of these stand on the screen."""
        wait_until(lambda: all(word in self.screen() for word in words), f"{words} in tmux")

    def is_alive(self) -> bool:
        """Whether the session is there."""
        try:
            self._ask("has-session")
        except subprocess.CalledProcessError:
            return False
        return True

    @contextmanager
    def client(self) -> Iterator[subprocess.Popen[bytes]]:
        """A client in a terminal of its own, which is killed at the end as a dropped line kills it."""
        ours, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (self._size[1], self._size[0]))
        command = ["tmux", "-S", str(self._socket), "attach"]
        client = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=self._environment, start_new_session=True
        )
        os.close(terminal)
        try:
            wait_until(lambda: bool(self._ask("list-clients")), "a client")
            yield client
        finally:
            client.send_signal(signal.SIGKILL)
            client.wait()
            os.close(ours)

    def close(self) -> None:
        """End the server and what runs in it, as a box that lets go of its terminals does."""
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True, check=False)
