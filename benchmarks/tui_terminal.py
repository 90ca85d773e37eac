"""A terminal without a screen: runs a program in a pty, answers it late or never, and keeps what it sends."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ATTRIBUTES_QUERY = b"\x1b[c"
PLAIN = {ATTRIBUTES_QUERY: b"\x1b[?62;22c"}
"""What a terminal with colours and without pictures answers."""
SIXEL = {ATTRIBUTES_QUERY: b"\x1b[?62;4;22c", b"\x1b[16t": b"\x1b[6;20;10t"}
KITTY = {
    b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\": b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b[>q": b"\x1bP>|kitty(0.41.1)\x1b\\",
    b"\x1b[16t": b"\x1b[6;20;10t",
    ATTRIBUTES_QUERY: b"\x1b[?62;c",
}


class PtyTerminal:
    """A program in a pty of its own. Nothing happens but inside the methods that wait."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (120, 40),
        answers: Mapping[bytes, bytes] = PLAIN,
        delay: float = 0.0,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """size: columns and rows.  answers: what comes back for a question.  delay: seconds until it does."""
        self.received = bytearray()
        self._answers, self._delay = answers, delay
        self._due: list[tuple[float, bytes]] = []
        self._master, slave = pty.openpty()
        self._resize(slave, size)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**without_terminal(os.environ), "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environ or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def __enter__(self) -> "PtyTerminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._master)

    def send(self, keys: bytes) -> None:
        """Type, or answer."""
        os.write(self._master, keys)

    def receive_at_most(self, condition: Callable[[bytes], bool], seconds: float) -> bytes:
        """What the program sends until it fulfils `condition`, or this time is over."""
        return self._pump(seconds, condition)

    def receive(self, seconds: float) -> bytes:
        """What the program sends within this time."""
        return self._pump(seconds, lambda _: False)

    def receive_until(self, condition: Callable[[bytes], bool], seconds: float = 60) -> bytes:
        """What the program sends until it fulfils `condition`. Raises TimeoutError."""
        came = self._pump(seconds, condition)
        if not condition(came):
            raise TimeoutError(f"{len(came)} bytes came, not what was awaited; the last: {came[-300:]!r}")
        return came

    def receive_until_quiet(self, quiet: float = 0.5, seconds: float = 60) -> bytes:
        """What the program sends until it has sent nothing for a while."""
        came, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            part = self._pump(quiet, bool)
            if not part:
                break
            came += part
        return came

    def _pump(self, seconds: float, condition: Callable[[bytes], bool]) -> bytes:
        came, end = b"", time.monotonic() + seconds
        while not condition(came) and (left := end - time.monotonic()) > 0:
            now = time.monotonic()
            for due in [due for due in self._due if due[0] <= now]:
                self._due.remove(due)
                os.write(self._master, due[1])
            wait = min([left, *(max(at - now, 0) for at, _ in self._due)])
            if not select.select([self._master], [], [], wait)[0]:
                continue
            part = b""
            with contextlib.suppress(OSError):  # EIO: the program has ended
                part = os.read(self._master, 1 << 16)
            if not part:
                break
            self._note_questions(part)
            came += part
        return came

    def _note_questions(self, part: bytes) -> None:
        """Questions may come in two parts."""
        start = max(len(self.received) - 64, 0)
        overlap = len(self.received) - start
        self.received += part
        seen = bytes(self.received[start:])
        asked = [
            (found.end(), answer)
            for question, answer in self._answers.items()
            for found in re.finditer(re.escape(question), seen)
            if found.end() > overlap
        ]
        self._due += [(time.monotonic() + self._delay, answer) for _, answer in sorted(asked)]

    @staticmethod
    def _resize(fd: int, size: tuple[int, int]) -> None:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))


def without_terminal(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what tells of the terminal that this runs in."""
    told = {"TMUX", "TMUX_PANE", "STY", "NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "LINES", "COLUMNS"}
    return {name: value for name, value in environ.items() if name not in told and not name.startswith("TEXTUAL")}
