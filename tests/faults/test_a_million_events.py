"""events.jsonl with a million lines: seen whole at once, in little memory, with its summary or without."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.curves import MOST_POINTS
from engine.events import Pivot, Started, Warned, decode, encode
from engine.rundir import RunDir
from engine.summary import Summary
from loratui.runs.monitor import Monitor
from tests.faults.checks import as_listed
from tests.faults.conftest import Record
from tests.loratui.made_runs import made_run, step

pytestmark = pytest.mark.slow
STEPS = 999_997
MOST_MEMORY = 16 * 2**20
LAST = "warning: the last word"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run that died after very many steps."""
    run = made_run(tmp_path, "dog", "running")
    first = Started(name="dog", pid=1, step=0, total_steps=STEPS, pivot_step=STEPS // 2, photos=4, device="CPU")
    line = encode(step(0)) + "\n"
    with run.events_file.open("w") as file:
        file.write(encode(first) + "\n")
        for number in range(1, STEPS + 1):
            file.write(line.replace('"step": 0', f'"step": {number}', 1))
            if number == STEPS // 2:
                file.write(encode(Pivot(step=number)) + "\n")
        file.write(encode(Warned(message="the last word")) + "\n")
    return run


def test_is_shown_in_a_fraction_of_the_time_that_reading_it_takes(run: RunDir, outcome: Record) -> None:
    line = encode(step(1))
    to_read_it = 10 * cpu_seconds(lambda: [decode(line) for _ in range(STEPS // 10)])
    without = cpu_seconds(lambda: shown(run))
    assert without < to_read_it / 3
    check_in_little_memory(run)
    Summary(run).update()
    with_summary = cpu_seconds(lambda: shown(run))
    assert with_summary < to_read_it / 50
    check_in_little_memory(run)
    assert as_listed(run)["state"] == "died"
    outcome(
        "events.jsonl with a million lines",
        2,
        f"attached in {with_summary:.2f} s of CPU time through its summary, {without:.1f} s without one, and below "
        f"{MOST_MEMORY // 2**20} MiB; decoding every line would take {to_read_it:.0f} s",
        "the whole curve, the pivot, the last step and every message",
    )


def shown(run: RunDir) -> Monitor:
    monitor = Monitor(run)
    monitor.refresh()
    return monitor


def cpu_seconds(call: Callable[[], object]) -> float:
    """Seconds of this process's own time that a call takes, whatever else the machine does."""
    start = time.process_time()
    call()
    return time.process_time() - start


def check_in_little_memory(run: RunDir) -> None:
    tracemalloc.start()
    try:
        monitor = shown(run)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    steps = [number for number, _ in monitor.losses]
    assert steps[0] < 1000 and len(steps) > MOST_POINTS / 2 and steps[-1] == STEPS
    assert (monitor.step, monitor.pivot_step) == (STEPS, STEPS // 2)
    assert list(monitor.messages)[-2:] == [f"step {STEPS // 2}: the pivot; the text side no longer trains", LAST]
