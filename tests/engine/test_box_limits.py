"""max_hours and max_cost: counted over all workers of a run, a stop when reached, and refused in words at a resume."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import launcher
from engine.box.limits import HOUR, Limits, cost, reached_limit
from engine.errors import EngineError
from engine.events import Event, Finished, Phase, Progress, Skipped, Stopped
from engine.rundir import RunDir
from engine.settings import RunSection
from engine.worker import Journal
from tests.engine.box import TOTAL, attend, events_of, made_run, started, step, warnings_of


class Clock:
    """Hours, set by hand."""

    hours = 0.0

    def __call__(self) -> float:
        return self.hours * HOUR


def work(run: RunDir, hours: float) -> None:
    """Have earlier workers been at `run` for so long."""
    run.write_status(dataclasses.replace(run.status(), state="stopped", worked=hours * HOUR))


def limits_of(run: RunDir, clock: Clock) -> tuple[Limits, list[Event]]:
    told: list[Event] = []
    return Limits(run, run.config().run, told.append, clock), told


def test_a_run_is_asked_to_stop_once_when_its_hours_are_over(tmp_path: Path) -> None:
    run, clock = made_run(tmp_path, max_hours=8.0), Clock()
    limits, told = limits_of(run, clock)
    clock.hours = 7.99
    limits(step(1))
    assert not run.is_requested("stop") and told == []
    clock.hours = 8.0
    limits(step(2))
    assert run.take_request("stop")
    limits(step(3))
    assert not run.is_requested("stop"), "it was asked, and need not be again"
    [warning] = told
    assert "worked for 8 hours, and max_hours is 8: it stops, with a checkpoint and an export" in str(warning)


def test_what_it_costs_is_hours_times_the_price(tmp_path: Path) -> None:
    run, clock = made_run(tmp_path, max_cost=5.0, price_per_hour=2.0), Clock()
    limits, told = limits_of(run, clock)
    clock.hours = 2.4
    limits(step(1))
    assert told == []
    clock.hours = 2.5
    limits(step(2))
    assert run.is_requested("stop") and "has cost 5, and max_cost is 5" in str(told)


@pytest.mark.parametrize(
    ("event", "asks"),
    [
        (Progress(phase="class_images", done=3, total=100), True),
        (Progress(phase="caching", done=3, total=100), True),
        (Skipped(step=5, reason="", photos=[]), True),
        (step(TOTAL), False),
        (Phase(phase="exporting"), False),
    ],
)
def test_it_is_asked_where_it_looks_and_has_something_left_to_do(tmp_path: Path, event: Event, asks: bool) -> None:
    run, clock = made_run(tmp_path, max_hours=1.0), Clock()
    limits, _ = limits_of(run, clock)
    clock.hours = 2.0
    limits(event)
    assert run.is_requested("stop") == asks


def test_the_hours_of_earlier_workers_count(tmp_path: Path) -> None:
    run, clock = made_run(tmp_path, max_hours=8.0), Clock()
    work(run, hours=7.5)
    limits, _ = limits_of(run, clock)
    clock.hours = 0.6
    limits(step(10))
    assert run.is_requested("stop")


def test_each_worker_adds_its_seconds_to_the_status(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    work(run, hours=2)
    attend(run, started(), step(1), Stopped(step=1))
    once = run.status().worked
    assert 2 * HOUR < once < 2 * HOUR + 60
    with run.lock():
        Journal(run)
    assert run.status().worked >= once


def test_the_warning_is_told_and_the_rest_goes_its_way(tmp_path: Path) -> None:
    run = made_run(tmp_path, max_hours=1.0)
    work(run, hours=2)
    attend(run, started(), step(1), step(2), Stopped(step=2))
    assert len(warnings_of(run)) == 1
    assert [event.type for event in events_of(run)] == ["started", "step", "warning", "step", "stopped"]


def test_a_run_without_limits_is_never_asked(tmp_path: Path) -> None:
    run = made_run(tmp_path, price_per_hour=2.0)
    work(run, hours=10_000)
    attend(run, started(), step(1), Finished(step=TOTAL))
    assert warnings_of(run) == [] and not run.is_requested("stop")


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"max_hours": 4.0}, "loratui resume {} --set run.max_hours=8"),
        ({"max_cost": 3.0, "price_per_hour": 1.0}, "loratui resume {} --set run.max_cost=6"),
    ],
)
def test_a_resume_that_would_stop_at_once_is_refused(tmp_path: Path, settings: dict[str, Any], remedy: str) -> None:
    run = made_run(tmp_path, **settings)
    work(run, hours=5)
    with pytest.raises(EngineError) as refused:
        launcher.launch(run)
    assert "would stop at once" in refused.value.problem
    assert remedy.format(run.address) in refused.value.remedy
    assert run.status().state == "stopped" and not run.log_file.exists()


@given(
    worked=st.floats(0, 1e7),
    hours=st.none() | st.floats(0.01, 1e3),
    price=st.floats(0.01, 100),
    most=st.floats(0.1, 1e4),
)
def test_a_limit_is_reached_exactly_when_hours_or_cost_are(
    worked: float, hours: float | None, price: float, most: float
) -> None:
    settings = RunSection(max_hours=hours, max_cost=most, price_per_hour=price)
    is_reached = (hours is not None and worked / HOUR >= hours) or worked / HOUR * price >= most
    assert (reached_limit(settings, worked) is not None) == is_reached
    assert cost(settings, worked) == pytest.approx(worked / HOUR * price)
    assert cost(RunSection(), worked) is None
