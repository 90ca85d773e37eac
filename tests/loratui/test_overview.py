"""`loratui runs` tells of each run its true state, its speed, its age and its room, without reading it whole."""

import os
from pathlib import Path

import pytest

from engine.config import TrainConfig, compose
from engine.events import Phase, Progress
from engine.rundir import State, Status, create_run
from loratui.runs.overview import overview
from tests.loratui.made_runs import TOTAL, made_run, rehearsed, started, step
from tests.loratui.program import run_loratui, runs_json


def test_rate_and_time_left_come_from_the_last_steps(tmp_path: Path) -> None:
    run = made_run(tmp_path, "her", "running", [started("her"), *(step(n, n / 10, n * 1e-6) for n in range(1, 101))])
    with run.lock():
        seen = overview(run)
    assert seen.effective_lr == pytest.approx(1e-4)
    assert seen.eta_seconds == pytest.approx((TOTAL - 100) * sum(n / 10 for n in range(81, 101)) / 20)
    assert 3600 <= seen.age_seconds < 3700


def test_before_the_first_step_time_left_is_as_rehearsed_and_steps_before_a_resume_do_not_count(tmp_path: Path) -> None:
    events = [started("her"), step(1, 99.0), started("her", step=1), Phase(phase="rehearsal"), rehearsed(3.0)]
    run = made_run(tmp_path, "her", "running", events)
    with run.lock():
        assert overview(run).eta_seconds == (TOTAL - 1) * 3.0
    loading = made_run(tmp_path, "him", "running", [started("him"), step(1, 99.0), started("him", step=1)])
    with loading.lock():
        assert overview(loading).eta_seconds is None


@pytest.mark.parametrize("state", ["queued", "paused", "stopped", "finished", "failed", "running"])  # without a worker
def test_what_does_not_run_has_no_time_left(tmp_path: Path, state: State) -> None:
    run = made_run(tmp_path, "her", state, [started("her"), step(1)])
    assert overview(run).eta_seconds is None


def test_of_long_events_only_the_end_is_read(tmp_path: Path) -> None:
    run = made_run(tmp_path, "long", "running")
    os.truncate(run.events_file, 2**40)  # sparse: it takes no room
    with run.events_file.open("ab") as file:
        file.write(b"\n")
    other = made_run(tmp_path, "other", "running", [*(step(n) for n in range(1, 30))])
    with run.events_file.open("ab") as file:
        file.write(other.events_file.read_bytes())
    assert overview(run).effective_lr == 1e-4
    with run.events_file.open("ab") as file:  # and what comes after the steps is not searched for ever
        progress = made_run(tmp_path, "p", "running", [Progress(phase="caching", done=n, total=9) for n in range(2500)])
        file.write(progress.events_file.read_bytes())
    assert overview(run).effective_lr is None


def test_a_run_that_was_never_started_is_as_old_as_its_folder(tmp_path: Path) -> None:
    run = create_run(tmp_path, "new", TrainConfig())
    then = run.config_file.stat().st_mtime - 500
    os.utime(run.config_file, (then, then))
    assert 500 <= overview(run).age_seconds < 600


def test_the_table_and_the_json_say_the_same(tmp_path: Path) -> None:
    made_run(tmp_path, "ended", "failed", [started("ended"), step(40)], "The GPU is\x1b[2J full.", checkpoints=[40])
    live = made_run(tmp_path, "live", "running", [started("live"), step(500, 2.0)])
    with live.lock():
        listed = runs_json(tmp_path)
        table = run_loratui("runs", "--runs-dir", tmp_path).stdout
    assert (listed["live"]["state"], listed["live"]["eta_seconds"], listed["live"]["effective_lr"]) == (
        "running",
        1000.0,
        1e-4,
    )
    ended = listed["ended"]
    assert (ended["state"], ended["eta_seconds"], ended["message"]) == ("failed", None, "The GPU is\x1b[2J full.")
    assert 3_000_000 < ended["disk"] < 3_100_000 and 3600 <= ended["age_seconds"] < 3700
    heads, first, second, cause = table.splitlines()
    assert heads.split() == ["name", "state", "step", "loss", "rate", "ETA", "age", "disk"]
    assert first.split() == ["ended", "failed", "40/1000", "0.2500", "0.0001", "1h00m", "3", "MB"]
    assert second.split()[:6] == ["live", "running", "500/1000", "0.2500", "0.0001", "16m40s"]
    assert cause == r"ended failed: The GPU is\x1b[2J full."


def test_what_a_run_has_cost_is_told_where_it_has_a_price(tmp_path: Path) -> None:
    run = create_run(tmp_path, "paid", compose(flags={"run": {"price_per_hour": 0.5}}).config)
    run.write_status(Status(state="stopped", worked=3 * 3600.0))
    create_run(tmp_path, "free", TrainConfig())
    listed = runs_json(tmp_path)
    assert (listed["paid"]["cost"], listed["paid"]["worked_seconds"], listed["free"]["cost"]) == (1.5, 10800.0, None)
    heads, *lines = run_loratui("runs", "--runs-dir", tmp_path).stdout.splitlines()
    assert heads.split()[-1] == "cost"
    assert [line.split()[-1] for line in lines] == ["kB", "1.50"]
