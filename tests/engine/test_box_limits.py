"""max_hours and max_cost: counted over all workers of a run, a stop when reached, and refused in words at a resume."""

import dataclasses
import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import launcher
from engine.box import limits
from engine.box.limits import HOUR, Limit, Watch, limit_of
from engine.errors import EngineError
from engine.events import Event, Finished, Phase, Progress, Stopped
from engine.journal import Journal
from engine.rundir import RunDir
from engine.settings import RunSection
from tests.engine.box import TOTAL, attend, made_run, started, warnings_of
from tests.run_events import step


def work(run: RunDir, seconds: float) -> None:
    """Have earlier workers been at `run` for so long."""
    run.write_status(dataclasses.replace(run.status(), state="stopped", worked=seconds))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("settings", "seconds", "said"),
    [
        ({"max_hours": 8.0}, 8 * HOUR, "has worked for 8 hours, which is its max_hours"),
        ({"max_cost": 5.0, "price_per_hour": 2.0}, 2.5 * HOUR, "has cost 5, which is its max_cost"),
        ({"max_hours": 2.0, "max_cost": 5.0, "price_per_hour": 2.0}, 2 * HOUR, "has worked for 2 hours"),
    ],
)
def test_a_run_is_asked_to_stop_when_its_limit_is_reached(
    tmp_path: Path, settings: dict[str, Any], seconds: float, said: str
) -> None:
    """The earlier workers' hours count: this one has half a second left."""
    run = made_run(tmp_path, **settings)
    work(run, seconds - 0.5)
    waits = [lambda: wait_for(lambda: bool(warnings_of(run))), lambda: wait_for(lambda: run.take_request("stop"))]
    attend(run, started(), step(1), *waits, step(2), Stopped(step=2))
    [warning] = warnings_of(run)
    assert said in warning and "it stops, with a checkpoint and an export" in warning
    assert not run.is_requested("stop"), "once"


def test_it_is_not_asked_before(tmp_path: Path) -> None:
    run = made_run(tmp_path, max_hours=8.0)
    work(run, 8 * HOUR - 600)
    attend(run, started(), step(1), step(2), Stopped(step=2))
    assert warnings_of(run) == [] and not run.is_requested("stop")


@pytest.mark.parametrize("event", [step(TOTAL), Phase(phase="exporting"), Phase(phase="verifying"), Finished(step=5)])
def test_it_is_not_asked_to_stop_where_it_ends_anyway(tmp_path: Path, event: Event) -> None:
    run = made_run(tmp_path, max_hours=8.0)
    watch = Watch(run, Limit("max_hours", 8.0, 0.2), TOTAL, warn=lambda said: None)
    watch(event)
    wait_for(lambda: not any(thread.name == "limits" for thread in threading.enumerate()))
    assert not run.is_requested("stop")


@pytest.mark.parametrize("event", [step(TOTAL - 1), Phase(phase="waiting"), Progress(phase="caching", done=1, total=2)])
def test_it_is_asked_wherever_something_is_left_to_do(tmp_path: Path, event: Event) -> None:
    run = made_run(tmp_path, max_hours=8.0)
    watch = Watch(run, Limit("max_hours", 8.0, 0.2), TOTAL, warn=lambda said: None)
    watch(event)
    wait_for(lambda: run.is_requested("stop"))


def test_a_request_that_has_no_room_on_the_disk_is_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RETRY_SECONDS", 0.05)
    run, told, tries = made_run(tmp_path, max_hours=8.0), list[str](), list[str]()

    def request(what: str) -> None:
        tries.append(what)
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "request", request)
    Watch(run, Limit("max_hours", 8.0, 0.0), TOTAL, told.append)
    wait_for(lambda: bool(told))
    assert tries == ["stop"] * 3


def test_each_worker_adds_its_seconds_to_the_status(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    work(run, 2 * HOUR)
    attend(run, started(), step(1), Stopped(step=1))
    once = run.status().worked
    assert 2 * HOUR < once < 2 * HOUR + 60
    with run.lock():
        Journal(run)
    assert run.status().worked >= once


def test_a_run_without_limits_is_never_asked(tmp_path: Path) -> None:
    run = made_run(tmp_path, price_per_hour=2.0)
    work(run, 10_000 * HOUR)
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
    work(run, 5 * HOUR)
    with pytest.raises(EngineError) as refused:
        launcher.launch(run)
    assert "would stop at once" in refused.value.problem
    assert remedy.format(run.address) in refused.value.remedy
    assert run.status().state == "stopped" and not run.log_file.exists()


@given(
    hours=st.none() | st.floats(1e-6, 1e9),
    price=st.none() | st.floats(1e-6, 1e6),
    most=st.none() | st.floats(1e-6, 1e9),
)
def test_a_run_may_work_until_the_first_limit_is_reached(
    hours: float | None, price: float | None, most: float | None
) -> None:
    settings = RunSection(max_hours=hours, max_cost=most, price_per_hour=price)
    limit = limit_of(settings)
    allowed = [hours * HOUR] if hours else []
    if price and most:
        allowed.append(most / price * HOUR)
    assert (limit and limit.seconds) == (min(allowed) if allowed else None)
