"""SIGTERM and SIGINT are a stop request at whatever a worker is doing, SIGHUP is nothing, a clock may step back."""

import signal
from itertools import pairwise

import pytest

from engine.events import Finished, Phase, Rehearsed, Step, Stopped
from engine.rundir import RunDir
from engine.training.manifest import newest_checkpoint
from tests.faults.checks import as_listed, check_as_if_nothing_had_been, told
from tests.faults.conftest import Create, Record
from tests.faults.workers import Workers
from tests.run_events import events_of

pytestmark = pytest.mark.slow
PHASE = "write dog/events.jsonl phase "


@pytest.mark.parametrize(("number", "last"), [(signal.SIGTERM, "exporting"), (signal.SIGINT, "verifying")])
def test_being_told_to_end_is_a_stop_with_a_checkpoint_and_an_export(
    forking: Workers, create: Create, reference: RunDir, outcome: Record, number: signal.Signals, last: str
) -> None:
    """In each phase in turn, resumed in between; what was trained before is exported, and kept."""
    run, words = create(), ""
    phases = ("loading", "class_images", "caching", "rehearsal", "training", "sampling")
    for phase in phases:
        assert forking.work(run, f"{PHASE}{phase}", signal=number) == 0
        end = events_of(run)[-1]
        assert isinstance(end, Stopped)
        assert (as_listed(run)["state"], as_listed(run)["step"]) == ("stopped", end.step)
        assert int(newest.name if (newest := newest_checkpoint(run)[0]) else 0) == end.step
        assert (run.output / "dog.safetensors").is_file() == (end.step > 0)
        words = f"The run dog is stopped at step {end.step} of 8."
        assert told(run) == words
    assert forking.work(run, f"{PHASE}{last}", signal=number) == 0  # too late to be anything but finished
    assert isinstance(events_of(run)[-1], Finished)
    assert not any(run.control.iterdir())
    check_as_if_nothing_had_been(run, reference)
    outcome(
        f"{number.name} to the worker, in each phase",
        len(phases) + 1,
        "stopped with a checkpoint, and an export where anything was trained; while exporting, finished. "
        "Resumed; final tensors and files are equal to the byte",
        words,
    )


def test_a_hangup_is_nothing(forking: Workers, create: Create, reference: RunDir, outcome: Record) -> None:
    run = create()
    assert forking.work(run, f"{PHASE}*", occurrence=0, signal=signal.SIGHUP) == 0
    check_as_if_nothing_had_been(run, reference)
    tries = sum(isinstance(event, Phase) for event in events_of(run))
    outcome("SIGHUP to the worker, in each phase", tries, "nothing: the run finished; files are equal to the byte")


@pytest.mark.parametrize("hours", [-1, 24])
def test_a_clock_that_is_put_right_changes_nothing_but_times(
    forking: Workers, create: Create, reference: RunDir, outcome: Record, hours: int
) -> None:
    """No duration is measured by it: neither a step, nor the minutes between checkpoints."""
    run = create(run={"checkpointing_minutes": 30})
    assert forking.work(run, "write dog/events.jsonl step 3", clock=hours * 3600) == 0
    check_as_if_nothing_had_been(run, reference)
    seconds = [event.seconds for event in events_of(run) if isinstance(event, Step)]
    [rehearsed] = [event for event in events_of(run) if isinstance(event, Rehearsed)]
    assert min(seconds) > 0 and max(seconds) < 60 and 0 < rehearsed.seconds_per_step < 60
    times = [event.time for event in events_of(run)]
    assert max(abs(later - earlier) for earlier, later in pairwise(times)) > 3000, "it did jump"
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["000006", "000008"]
    listed = as_listed(run)
    assert listed["state"] == "finished" and float(str(listed["age_seconds"])) >= 0
    outcome(
        f"The clock steps {'back an hour' if hours < 0 else 'forward a day'} while the run goes on",
        1,
        "nothing: durations, checkpoints by the minute and files are as without",
    )
