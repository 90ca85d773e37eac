"""SIGKILL at twenty random moments; benchmarks/kill.py does two hundred."""

from pathlib import Path

import pytest

from engine.rundir import RunDir
from tests.faults.checks import DIED
from tests.faults.conftest import Create, Record
from tests.faults.random_kills import kill_at_random
from tests.faults.workers import Workers

TRIES = 20


@pytest.mark.slow
def test_at_random_moments(
    forking: Workers, create: Create, reference: RunDir, points: list[str], tmp_path: Path, outcome: Record
) -> None:
    def new_run(number: int) -> RunDir:
        return create(folder=f"runs{number}")

    killed = list(kill_at_random(forking, new_run, reference, len(points), TRIES, tmp_path / "points"))
    assert len(killed) == TRIES
    outcome(
        "SIGKILL at random moments",
        TRIES,
        "resumed, most runs several times; final tensors and files are equal to the byte",
        told=DIED,
    )
