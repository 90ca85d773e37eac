"""Launches workers under fire, and tells what a run has become."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from engine import launcher
from engine.rundir import RunDir
from tests.faults.worker_under_fire import Fire


class Workers:
    """A process that forks workers: what `launcher.launch` starts in its place, without torch's import each time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker_under_fire"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def close(self) -> None:
        """End the process; workers have ended by themselves."""
        self._server.communicate()

    def work(self, run: RunDir, point: str = "", **fire: Any) -> int:
        """Launch a worker at `run`, which meets its fate as `Fire` has it; returns its exit code when it is gone."""
        request = Fire(str(run.path), point, **fire)

        def fork(_command: list[str], **_options: Any) -> SimpleNamespace:
            self._tell(json.dumps(dataclasses.asdict(request)))
            return SimpleNamespace(pid=self._answer())

        with patch.object(launcher.subprocess, "Popen", fork):
            launcher.launch(run)
        return self._answer()

    def _tell(self, line: str) -> None:
        assert self._server.stdin
        self._server.stdin.write(f"{line}\n")
        self._server.stdin.flush()

    def _answer(self) -> int:
        assert self._server.stdout
        answer = self._server.stdout.readline()
        assert answer, "the process that forks workers has died"
        return int(answer)


@contextmanager
def workers() -> Iterator[Workers]:
    """A `Workers` that is closed at the end."""
    forking = Workers()
    try:
        yield forking
    finally:
        forking.close()
