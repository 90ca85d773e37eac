"""A user without preferences or a past, and a run that the program finished once for all tests."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loratui.jobs import Job
from loratui.terminal.glyphs import use_glyphs
from tests.loratui.program import run_loratui, write_tiny_config


@pytest.fixture(autouse=True)
def new_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Preferences, recent folders and the log belong to whoever runs the tests: they are left alone."""
    home = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    yield
    use_glyphs("auto")  # an app draws with what its user prefers


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Work of the TUI stops after the first photo until this is set, or it is ended: no machine is too fast to look."""
    go_on, progress = threading.Event(), Job.progress

    def hold(job: Job, done: int, total: int) -> None:
        while done > 1 and not job.is_cancelled and not go_on.wait(0.01):
            pass
        progress(job, done, total)

    monkeypatch.setattr(Job, "progress", hold)
    return go_on


@pytest.fixture(scope="session")
def finished_run(sample_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that `loratui train` took to its end without a terminal: six steps, the pivot after three."""
    folder = tmp_path_factory.mktemp("finished")
    config = write_tiny_config(folder / "lora.toml", sample_photos, steps=6)
    done = run_loratui("train", config, "--name", "done", "--runs-dir", folder / "runs")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'runs' / 'done' / 'output'}\n"
    return folder / "runs" / "done"
