"""The painting process as its viewers use it: started when first needed, asked, cancelled, ended."""

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from engine.errors import EngineError
from engine.extras import require
from engine.painting.messages import ORDER, TOLD, Cancel, Cancelled, Loading, Order, Paint, Painted, Refused, Told
from engine.painting.pictures import folder_of
from engine.painting.request import Request
from engine.rundir import RunDir

LOOK_SECONDS = 0.1  # how often it is asked whether a picture is still wanted
ENDING_SECONDS = 2.0


class Painter:
    """Paints pictures of one run, in a process of its own that keeps the model in memory for the next one."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._process: subprocess.Popen[bytes] | None = None
        self._listens = False  # not while it loads the model
        self._told: queue.Queue[Told | None] = queue.Queue()

    def paint(self, request: Request, is_wanted: Callable[[], bool], heard: Callable[[Told], None]) -> Path | None:
        """Wait until the picture is painted; returns its path, or None when it was not wanted any more.

        heard: called with all that the process tells meanwhile.  Raises EngineError where it cannot be painted, and
        MissingExtra without the packages that it takes.
        """
        require("train", "Painting a picture")
        self._start()
        self._send(Paint(request))
        is_cancelled = False
        while True:
            if not is_cancelled and not is_wanted():
                if not self._listens:
                    self.close()
                    return None
                is_cancelled = True
                self._send(Cancel())
            try:
                told = self._told.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            match told:
                case None:
                    raise self._ended()
                case Painted():
                    return Path(told.path)
                case Cancelled():
                    return None
                case Refused():
                    raise EngineError(told.problem, told.remedy)
            self._listens = not isinstance(told, Loading)
            heard(told)

    def close(self) -> None:
        """End the process, and with it the memory that the model takes."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def log_file(self) -> Path:
        """The process's stderr."""
        return folder_of(self.run) / "painter.log"

    def _start(self) -> None:
        """Start the process, unless it is there: it ends by itself when it was not used for a while."""
        if self._process and self._process.poll() is None:
            return
        self.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._told, self._listens = queue.Queue(), False
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                # -P: it must not import what happens to lie in the user's folder.
                [sys.executable, "-P", "-m", "engine.painting", str(self.run.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._process.stdout
        threading.Thread(target=_listen, args=(self._process.stdout, self._told), daemon=True).start()

    def _send(self, order: Order) -> None:
        assert self._process and self._process.stdin
        try:
            self._process.stdin.write(ORDER.dump_json(order) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> EngineError:
        lines = self.log_file.read_text("utf-8", "replace").strip().splitlines()
        cause = f": {lines[-1].rstrip('.')}" if lines else ""
        self.close()
        return EngineError(f"The painting process has ended{cause}.", f"Its last words are in {self.log_file}.")


def _listen(stdout: IO[bytes], told: "queue.Queue[Told | None]") -> None:
    for line in stdout:
        told.put(TOLD.validate_json(line))
    told.put(None)
