"""What is not worth a run: sample pictures, trackers, and garbage among the requests."""

import pytest
from accelerate.tracking import GeneralTracker

from engine.events import Event, Warned
from engine.rundir import RunDir
from engine.training.trackers import Tracking
from tests.faults.checks import as_listed
from tests.faults.conftest import Create, Record
from tests.faults.runs import last_tensors
from tests.faults.workers import Workers
from tests.loratui.made_runs import step
from tests.run_events import events_of

pytestmark = pytest.mark.slow
EQUAL = "finished; final tensors equal to the byte"


def test_all_of_them_together_leave_a_run_as_it_would_be(
    forking: Workers, create: Create, reference: RunDir, outcome: Record
) -> None:
    run = create(run={"report_to": "tensorboard"})
    garbage = "garbage among the requests: unknown names, folders, links, a thousand files"
    assert forking.work(run, "create dog/events.jsonl", trouble="break_all_at_once") == 0
    warned = [event.message for event in events_of(run) if isinstance(event, Warned)]
    assert as_listed(run)["state"] == "finished"
    pictures = [message for message in warned if message.startswith("No sample pictures")]
    assert pictures == [
        f"No sample pictures at step {step}: RuntimeError: the \x1b[31msampler[/red] broke" for step in (4, 8)
    ]
    [tracker] = [message for message in warned if message.startswith("The tracker")]
    assert tracker == "The tracker tensorboard failed: it did not finish in 1 s; events.jsonl has the same numbers."
    assert last_tensors(run) == last_tensors(reference)
    outcome("sampling that raises", 2, EQUAL, pictures[0].replace("\x1b", "\\x1b"))
    outcome("a tracker that hangs", 1, EQUAL, tracker)
    outcome(garbage, 1, EQUAL, "nothing: what is no request is left alone")


def test_a_tracker_that_raises_is_told_once_and_every_event_goes_its_way(create: Create, outcome: Record) -> None:
    class Raising(GeneralTracker):
        name, requires_logging_directory, tracker = "raising", False, None

        def log(self, *_: object, **__: object) -> None:
            raise ConnectionError("the server is away")

    told: list[Event] = []
    tracking = Tracking(Raising, "tensorboard", create(), told.append, with_pictures=True)
    steps = [step(number) for number in range(1, 101)]
    for each in steps:
        tracking(each)
    tracking.finish()
    [warning] = [event for event in told if isinstance(event, Warned)]
    assert [event for event in told if event is not warning] == steps
    assert warning.message.startswith("The tracker tensorboard failed: ConnectionError: the server is away; ")
    outcome("a tracker that raises", len(steps), "every step went on", warning.message)
