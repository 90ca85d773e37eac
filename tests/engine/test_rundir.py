"""A run folder tells the truth about its run."""

import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Event, EventWriter, Failed, Finished, Paused, Phase, Stopped
from engine.launcher import launch
from engine.rundir import STARTING_SECONDS, RunDir, Status, create_run, find_run, free_name, list_runs

HOLD_THE_LOCK = """
import sys
from pathlib import Path
from engine.rundir import RunDir, Status
run = RunDir(Path(sys.argv[1]))
with run.lock():
    run.write_status(Status(state="running", pid=1))
    print("held", flush=True)
    sys.stdin.read()
    if "end" in sys.argv:
        run.write_status(Status(state="stopped"))
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path / "runs", "one", TrainConfig())


def worker(run: RunDir, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(run.path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_new_run_is_queued_and_only_its_owner_sees_into_it(run: RunDir) -> None:
    assert run.status().state == "queued"
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert run.config() == TrainConfig()


def test_a_run_is_running_while_its_worker_holds_the_lock_and_died_when_that_is_killed(run: RunDir) -> None:
    process = worker(run)
    assert run.is_alive() and run.status().state == "running"
    process.kill()
    process.wait()
    assert not run.is_alive() and run.status().state == "died"


def test_a_worker_that_ends_leaves_its_own_last_word(run: RunDir) -> None:
    process = worker(run, "end")
    process.communicate("")
    assert run.status().state == "stopped"


def test_two_workers_cannot_hold_one_run(run: RunDir) -> None:
    process = worker(run)
    with pytest.raises(EngineError, match="already being worked on"), run.lock():
        pass
    process.communicate("")
    with run.lock():
        assert run.is_alive()


def test_a_worker_that_never_comes_is_not_starting_for_ever(run: RunDir) -> None:
    run.write_status(Status(state="starting"))
    assert run.status().state == "starting"
    status_file = run.path / "status.json"
    updated = run.status().updated
    status_file.write_text(status_file.read_text().replace(str(updated), str(updated - STARTING_SECONDS - 1)))
    assert run.status().state == "died"


def test_nor_is_it_where_the_clock_was_set_back_since(run: RunDir) -> None:
    run.write_status(Status(state="starting"))
    text = (run.path / "status.json").read_text()
    updated = run.status().updated
    (run.path / "status.json").write_text(text.replace(str(updated), str(updated + 86400)))
    assert run.status().state == "died"


@pytest.mark.parametrize("said", ["queued", "starting"])
def test_a_run_whose_lock_is_held_is_running_whatever_was_written_before(run: RunDir, said: Any) -> None:
    run.write_status(Status(state=said))
    with run.lock():
        assert run.status().state == "running"


@pytest.mark.parametrize(
    ("end", "state", "message"),
    [
        (Finished(step=9), "finished", ""),
        (Stopped(step=9), "stopped", ""),
        (Paused(step=9), "paused", ""),
        (
            Failed(problem="The GPU is full.", remedy="Use a smaller batch."),
            "failed",
            "The GPU is full. Use a smaller batch.",
        ),
    ],
)
def test_a_worker_killed_between_telling_its_end_and_its_status_has_ended(
    run: RunDir, end: Event, state: str, message: str
) -> None:
    run.write_status(Status(state="running", step=9))
    EventWriter(run.events_file).write(end)
    assert (run.status().state, run.status().step, run.status().message) == (state, 9, message)
    (run.path / "status.json").write_text("{")
    assert run.status().state == state


def test_the_end_of_an_earlier_worker_is_not_this_ones(run: RunDir) -> None:
    EventWriter(run.events_file).write(Stopped(step=3))
    run.write_status(Status(state="running", step=3))
    assert run.status().state == "died"
    EventWriter(run.events_file).write(Stopped(step=3))
    EventWriter(run.events_file).write(Phase(phase="loading"))
    assert run.status().state == "died"


def test_the_worker_is_known_by_its_lock_and_viewers_are_not_taken_for_it(run: RunDir) -> None:
    assert run.lock_holders() == []
    process = worker(run)
    viewer = subprocess.Popen(["sleep", "600"], stdin=(run.path / "run.lock").open("rb"))
    try:
        assert run.lock_holders() == [process.pid]
        process.communicate("")
        assert run.lock_holders() == []
    finally:
        viewer.kill()
        viewer.wait()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "\x00", '{"state": "dancing"}', '{"state": 3}', '{"state": "stopped", "step": null}'),
        '{"state": "starting", "updated": "yesterday"}',
    ],
)
def test_a_damaged_status_is_said_and_the_lock_still_tells_who_lives(run: RunDir, text: str) -> None:
    (run.path / "status.json").write_text(text)
    assert run.status().state == "died" and "damaged" in run.status().message
    process = worker(run)
    (run.path / "status.json").write_text(text)
    assert run.status().state == "running"
    process.communicate("")


def test_a_request_is_taken_once(run: RunDir) -> None:
    run.request("stop")
    assert run.take_request("stop")
    assert not run.take_request("stop")


def test_of_several_ends_the_most_urgent_is_heard(run: RunDir) -> None:
    for request in ("pause", "stop", "stop_now"):
        run.request(request)
    assert [run.asked_to_end() for _ in range(4)] == ["stopped_now", "stopped", "paused", None]


def test_what_is_no_file_is_no_request(run: RunDir) -> None:
    (run.control / "stop_now").mkdir()
    (run.control / "stop").symlink_to("nowhere")
    (run.control / "STOP").touch()
    assert not run.is_requested("stop_now")
    assert run.asked_to_end() is None
    run.clear_requests()
    (run.control / "pause").write_bytes(b"\xff\x00")
    assert run.asked_to_end() == "paused"


def test_an_end_that_the_status_had_no_room_for_is_told_by_the_events(run: RunDir) -> None:
    run.write_status(Status(state="starting"))
    EventWriter(run.events_file).write(Failed(problem="The disk is full.", remedy="Make room."))
    assert (run.status().state, run.status().message) == ("failed", "The disk is full. Make room.")


def test_requests_to_an_earlier_worker_can_be_forgotten(run: RunDir) -> None:
    run.request("stop")
    run.request("checkpoint")
    run.clear_requests()
    assert not list(run.control.iterdir())


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a b", "pytorch_lora_weights"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="cannot be a run's name"):
        create_run(tmp_path, name, TrainConfig())


def test_a_taken_name_is_refused_and_nothing_is_overwritten(run: RunDir) -> None:
    with pytest.raises(EngineError, match="already a run"):
        create_run(run.path.parent, "one", TrainConfig())
    assert free_name(run.path.parent, "one") == "one-2"
    process = worker(run)
    with pytest.raises(EngineError) as caught:
        create_run(run.path.parent, "one", TrainConfig())
    assert "loratui attach" in caught.value.remedy
    process.communicate("")
    assert free_name(run.path.parent, "pytorch_lora_weights") == "pytorch_lora_weights-2"


def test_a_run_is_called_by_its_name_where_commands_look_and_by_its_path_elsewhere(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.address == str(run.path)
    monkeypatch.setenv("LORATUI_RUNS", str(run.path.parent))
    assert run.address == "one"


def test_a_run_that_is_starting_is_not_launched_again(run: RunDir) -> None:
    run.write_status(Status(state="starting"))
    with pytest.raises(EngineError, match="already being worked on"):
        launch(run)


def test_a_finished_run_is_not_launched_again(run: RunDir) -> None:
    run.write_status(Status(state="finished"))
    with pytest.raises(EngineError, match="already finished"):
        launch(run)


def test_runs_are_found_by_name_and_by_path(run: RunDir) -> None:
    runs_dir = run.path.parent
    assert find_run(runs_dir, "one").path == run.path == find_run(Path("elsewhere"), str(run.path)).path
    (runs_dir / ".half-removed").mkdir()
    (runs_dir / ".half-removed" / "config.toml").touch()
    assert [found.name for found in list_runs(runs_dir)] == ["one"]
    with pytest.raises(EngineError, match="no run 'two'"):
        find_run(runs_dir, "two")


def test_a_link_to_a_run_elsewhere_is_a_run_by_its_own_name(run: RunDir, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "linked").symlink_to(run.path)
    [linked] = list_runs(here)
    assert linked.name == "linked" and find_run(here, "linked").path == linked.path == here / "linked"
    with run.lock():
        assert linked.is_alive()


@pytest.mark.parametrize("path", ["../one", ".", "../one/samples/.."])
def test_a_run_is_called_by_the_name_of_its_folder_however_that_is_reached(
    path: str, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path)
    assert RunDir(Path(path)).path == run.path


def test_the_address_of_a_run_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDir(create_run(tmp_path / "my runs", "cat", TrainConfig()).path.rename(tmp_path / "my runs" / "her cat"))
    assert shlex.split(run.address) == [str(run.path)]
    monkeypatch.setenv("LORATUI_RUNS", str(tmp_path / "my runs"))
    assert shlex.split(run.address) == ["her cat"]
