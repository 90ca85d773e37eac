"""Events and status that were torn, edited by hand or left by a crash: viewers show what is true, and all the rest."""

import dataclasses
import io
import json
import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from engine.config import TrainConfig
from engine.events import FITS, TYPES, Event, EventWriter, Failed, Finished, Verified, Warned, decode
from engine.rundir import RunDir, Status, create_run
from loratui.command_line import app
from loratui.runs.live import film, panels, step_line
from loratui.runs.monitor import Monitor
from tests.faults.checks import GONE, as_listed
from tests.faults.conftest import Record
from tests.loratui.made_runs import rehearsed, started, step
from tests.loratui.tui import app_on, go, sees

WRONG: list[Any] = [
    *("x", "", None, True, [], {}, [1], ["a", None], {"a": "b"}, {"a": None}),
    *(-5, 0, 2**62, -(2**62), 10**400, 0.5, 1e299, math.nan, math.inf, -math.inf),
    *("a\0b", "\ud800", "\x1b]0;owned\x07", "[/bold]", "../" * 30 + "etc/passwd", "x" * 1000),
]
ABSURD: list[Any] = [
    -5,
    0,
    2**62,
    1e299,
    "",
    "a\0b",
    "\ud800",
    "[/bold]",
    "../" * 30 + "etc/passwd",
    [],
    {"a\0": 1e299},
]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """At step 40 of 1000, as if a worker were at it."""
    run = create_run(tmp_path / "runs", "dog", TrainConfig())
    writer = EventWriter(run.events_file)
    for event in (started("dog"), *(step(number) for number in range(1, 41))):
        writer.write(event)
    run.write_status(Status(state="running", step=40, total_steps=1000, loss=0.25))
    return run


def right_lines() -> Iterator[dict[str, Any]]:
    """An event of each type, as fields."""
    right = {int: 50, float: 0.5, str: "word", bool: True, list[str]: ["word"], dict[str, float]: {"unet": 0.5}}
    right |= {int | None: 50, float | None: 0.5}
    for name, kind in TYPES.items():
        fields = {field.name: right[field.type] for field in dataclasses.fields(kind)}
        yield {"v": 1, "type": name, **fields}


def damaged_lines(values: Sequence[Any] = WRONG) -> list[str]:
    """Each field of each type with each wrong value, and each left out."""
    lines = []
    for event in right_lines():
        for name in event:
            lines += [json.dumps({**event, name: value}) for value in values]
            lines.append(json.dumps({key: value for key, value in event.items() if key != name}))
    return lines


def look_at(run: RunDir) -> Monitor:
    """Draw all that viewers draw."""
    monitor = Monitor(run)
    monitor.refresh()
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    console.print(panels(monitor, 100))
    if monitor.sample_sets:
        console.print(film(monitor.sample_sets, 100))
    step_line(monitor)
    return monitor


def test_no_value_in_any_field_costs_a_viewer_or_hides_the_true_state(run: RunDir, outcome: Record) -> None:
    lines = damaged_lines()
    with run.events_file.open("a") as file:
        file.write("\n".join(lines) + "\n")
    with run.lock():
        assert look_at(run).state == "running"
        assert as_listed(run)["state"] == "running"
        EventWriter(run.events_file).write(step(41))
        after = look_at(run)
    assert (after.state, after.step, after.loss) == ("running", 41, 0.25)
    outcome(
        "a line of events.jsonl edited by hand", len(lines), "passed over, or shown as it reads", "all other events"
    )


def test_what_is_read_of_a_damaged_line_is_as_its_type_says() -> None:
    for line in damaged_lines():
        event = decode(line)
        for field in dataclasses.fields(event) if event else ():
            assert FITS[field.type](getattr(event, field.name)), line


@pytest.mark.parametrize("kind", list(TYPES))
def test_right_types_with_absurd_values_are_drawn(run: RunDir, kind: str) -> None:
    before = run.events_file.read_bytes()
    for value in ABSURD:
        lines = [line for line in damaged_lines([value]) if f'"type": "{kind}"' in line and decode(line)]
        run.events_file.write_bytes(before + "".join(f"{line}\n" for line in lines).encode())
        look_at(run)


async def test_the_train_screen_shows_them_too(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    with run.events_file.open("a") as file:
        file.write("\n".join(damaged_lines()) + "\n")
    monkeypatch.chdir(run.path.parents[1])
    with run.lock():
        async with app_on(None).run_test(size=(120, 40)) as pilot:
            await go(pilot, "escape", "5", "enter")
            await sees(pilot, "dog", "running")


@pytest.mark.parametrize("rest", ["", "{", '{"v": 1, "type": "st', '{"v": 1, "type": "finished", "step": 100'])
def test_a_torn_last_line_is_nothing_until_it_is_whole(run: RunDir, rest: str, outcome: Record) -> None:
    with run.events_file.open("a") as file:
        file.write(rest)
    with run.lock():
        assert look_at(run).step == 40
    assert as_listed(run)["state"] == "died"
    EventWriter(run.events_file).write(Finished(step=1000))  # as a worker that goes on
    assert look_at(run).messages[-1] == "finished at step 1000"
    outcome("events.jsonl with a torn last line", 1, "the line is passed over; the next worker's events are whole")


def test_zeros_that_a_crash_left_hide_nothing(run: RunDir, outcome: Record) -> None:
    with run.events_file.open("ab") as file:
        file.write(bytes(20_000_000))
    EventWriter(run.events_file).write(Warned(message="after the crash"))
    monitor = look_at(run)
    assert (monitor.step, monitor.messages[-1]) == (40, "warning: after the crash")
    outcome("events.jsonl with a stretch of zeros, as a crashed file system leaves", 1, "passed over")


def test_events_that_are_gone_leave_the_state_and_the_step(run: RunDir, outcome: Record) -> None:
    run.events_file.unlink()
    monitor = look_at(run)
    assert (monitor.state, monitor.total_steps) == ("died", 1000)
    assert (as_listed(run)["state"], as_listed(run)["step"]) == ("died", 40)
    told = CliRunner().invoke(app, ["attach", str(run.path)])
    assert told.exit_code == 1 and f"died: {GONE}" in told.stderr
    outcome("events.jsonl deleted", 1, "state and step come from status.json", told.stderr.splitlines()[0])


STATUS = {"state": "running", "pid": 1, "step": 40, "total_steps": 1000, "loss": 0.25, "started": 1.0, "updated": 1.0}


@pytest.mark.parametrize("field", STATUS)
def test_a_status_edited_by_hand_is_damaged_or_taken_as_it_reads(run: RunDir, field: str, outcome: Record) -> None:
    for value in WRONG:
        (run.path / "status.json").write_text(json.dumps({**STATUS, field: value}))
        with run.lock():
            assert as_listed(run)["state"] != "died"
        look_at(run)
        row = as_listed(run)
        assert row["state"] in ("died", "starting", "queued", "paused", "stopped", "finished", "failed")
        table = CliRunner().invoke(app, ["runs", "--runs-dir", str(run.path.parent)])
        assert table.exit_code == 0, table.output
    outcome("status.json edited by hand", len(WRONG), "the lock and the last event decide", "died")


def test_an_end_that_was_told_counts_where_the_status_is_gone(run: RunDir) -> None:
    ends: list[Event] = [Failed(problem="No room.", remedy="Make some."), Finished(step=1000)]
    for event, state in product(ends, (None, "[]")):
        (run.path / "status.json").unlink(missing_ok=True)
        if state:
            (run.path / "status.json").write_text(state)
        EventWriter(run.events_file).write(event)
        assert as_listed(run)["state"] == event.type


def test_a_verification_without_numbers_is_still_told(run: RunDir) -> None:
    EventWriter(run.events_file).write(
        Verified(ok=False, files=["output/dog.safetensors"], tensors=0, difference=None, message="torn")
    )
    assert look_at(run).messages[-1] == "NOT verified: torn"


def test_before_the_first_step_a_rehearsal_tells_the_pace(run: RunDir) -> None:
    EventWriter(run.events_file).write(started("dog"))
    EventWriter(run.events_file).write(rehearsed(2.0))
    with run.lock():
        assert look_at(run).eta_seconds == 2000.0
