"""The run that all quality tests look at."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.quality.reports import Report


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Report:
    """Measured once, by the first of the test processes that asks, while the others wait; or given by a plugin."""
    from tests.quality.reports import GIVEN, Report, examine  # torch, diffusers, transformers

    if given := request.config.stash.get(GIVEN, None):
        return given
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    file = shared / "quality.json"
    with (shared / "quality.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            examine(tmp_path_factory.mktemp("quality")).write(file)
    return Report.read(file)
