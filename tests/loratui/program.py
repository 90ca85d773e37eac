"""The program as its users start it."""

import json
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "loratui"]
# Long enough for a loaded two-core machine; a test that reaches it has failed.
PATIENCE_SECONDS = 240.0


def run_loratui(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `loratui` to its end, with neither stdin nor a terminal."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        **options,
    )


def run_in_a_terminal(*arguments: str | Path, rows: int = 50, columns: int = 100, **environment: str) -> str:
    """Run `loratui` to its end in a terminal of 256 colours; returns all that it wrote there."""
    return answer_in_a_terminal("", *arguments, rows=rows, columns=columns, **environment)[1]


def answer_in_a_terminal(
    answer: str, *arguments: str | Path, rows: int = 50, columns: int = 100, **environment: str
) -> tuple[int, str]:
    """The same, with `answer` to each question for yes or no; returns its exit code too."""
    ours, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (rows, columns))
    program = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(terminal)
    written = b""
    with os.fdopen(ours, "r+b", buffering=0) as screen:
        try:
            while part := screen.read(65536):
                written += part
                if written.endswith(b"[y/N]: "):
                    screen.write(f"{answer}\n".encode())
        except OSError:  # EIO: the program has let go of it
            pass
    return program.wait(PATIENCE_SECONDS), written.decode()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when `condition` holds; fail when it does not in good time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.05)


def write_tiny_config(path: Path, photos: Path, steps: int) -> Path:
    """A lora.toml for the tiny model, at 64 px, without sample pictures."""
    done = run_loratui(
        *("init", photos, "--kind", "person", "--output", path),
        *("--set", "model.pretrained_model_name_or_path=tiny", "--set", "data.resolution=64"),
        *("--set", f"run.max_train_steps={steps}", "--set", "lora.rank=4", "--set", "sample.num_validation_images=0"),
    )
    assert done.returncode == 0, done.stderr
    return path


def runs_json(runs_dir: Path) -> dict[str, dict[str, Any]]:
    """What `runs --json` says, by name."""
    done = run_loratui("runs", "--json", "--runs-dir", runs_dir)
    return {run["name"]: run for run in json.loads(done.stdout)["runs"]}
