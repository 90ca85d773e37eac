"""The program as its users start it."""

import json
import subprocess
import sys
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
