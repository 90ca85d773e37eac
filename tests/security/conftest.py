"""A copy of the tiny SDXL, and a pickle that would leave a trace if anything in it ran."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model for the test alone."""
    return shutil.copytree(tiny_model, tmp_path / "model")


class _Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that `pickled` makes when it is loaded."""
    return tmp_path / "it-ran"


@pytest.fixture
def pickled(trace: Path) -> bytes:
    """A pickle that makes `trace` when it is loaded; seen to do so."""
    content = pickle.dumps({"weight": _Touch(trace)})
    pickle.loads(content)
    trace.unlink()
    return content
