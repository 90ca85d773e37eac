"""The worker process: deaf to a closed terminal, stopped by a signal, resumed after a kill, plain about its ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import launcher
from engine.config import compose
from engine.errors import EngineError
from engine.events import Checkpoint, Event, Failed, Finished, Pivot, Started, Step, Stopped, Verified
from engine.journal import Journal
from engine.plan import resolve
from engine.rundir import RunDir, create_run
from engine.worker import failed
from tests.run_events import events_of, step, wait_until

Create = Callable[..., RunDir]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are equal to the bit at an equal number of threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def create(photos: Path, tiny_model: Path, tmp_path: Path) -> Create:
    """A new run of so many steps on the tiny model."""

    def create(name: str, steps: int, runs: str = "runs", **sections: Mapping[str, Any]) -> RunDir:
        flags: dict[str, Mapping[str, Any]] = {
            "data": {"instance_data_dir": str(photos), "resolution": 64},
            "concept": {"instance_prompt": "a photo of TOK"},
            "model": {"pretrained_model_name_or_path": str(tiny_model)},
            "lora": {"rank": 4},
            "run": {"max_train_steps": steps, "checkpointing_steps": 10},
            "sample": {"num_validation_images": 0},
            **sections,
        }
        return create_run(tmp_path / runs, name, resolve(compose(flags=flags).config))

    return create


def has_step(number: int) -> Callable[[list[Event]], bool]:
    return lambda events: any(isinstance(event, Step) and event.step >= number for event in events)


def last_weights(run: RunDir) -> bytes:
    return (max(run.checkpoints.iterdir()) / "pytorch_lora_weights.safetensors").read_bytes()


def test_a_hangup_is_nothing_and_a_termination_is_a_stop_with_checkpoint_and_export(create: Create) -> None:
    run = create("run", steps=100_000)
    pid = launcher.launch(run)
    wait_until(run, has_step(1))
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGHUP)
    seen = len(events_of(run))
    wait_until(run, lambda events: len(events) > seen + 2)
    os.kill(pid, signal.SIGTERM)
    status = launcher.wait(run)
    assert (status.state, launcher.exit_code(status), status.pid) == ("stopped", 0, pid)
    *_, verified, end = events_of(run)
    assert isinstance(verified, Verified) and verified.ok
    assert isinstance(end, Stopped) and end.step == status.step
    assert (run.checkpoints / f"{end.step:06d}" / "manifest.json").is_file()
    assert all((run.path / file).is_file() for file in verified.files)
    assert "Traceback" not in run.log_file.read_text()


@pytest.mark.slow
def test_a_killed_run_is_told_dead_and_ends_after_a_resume_as_if_nothing_had_been(create: Create) -> None:
    whole, killed = create("whole", steps=40), create("killed", steps=40)
    launcher.launch(whole)
    assert launcher.wait(whole).state == "finished"

    pid = launcher.launch(killed)
    wait_until(killed, lambda events: any(isinstance(event, Checkpoint) for event in events))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert launcher.wait(killed).state == "died"
    with killed.events_file.open("ab") as events:
        events.write(b'{"v": 1, "type": "st')  # as a kill in mid-write leaves it

    launcher.launch(killed)
    assert launcher.wait(killed).state == "finished"
    starts = [event.step for event in events_of(killed) if isinstance(event, Started)]
    assert starts[0] == 0 and starts[1] in (10, 20, 30)
    assert last_weights(killed) == last_weights(whole)
    assert (killed.output / "pytorch_lora_weights.safetensors").read_bytes() == (
        whole.output / "pytorch_lora_weights.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_what_a_run_leaves_is_a_function_of_its_config_to_the_byte(create: Create) -> None:
    """No clock, path of a run or host is in any file."""
    outputs = []
    for runs in ("runs", "elsewhere"):
        run = create("dog", steps=4, runs=runs)
        launcher.launch(run)
        assert launcher.wait(run).state == "finished"
        outputs.append({path.name: path.read_bytes() for path in run.output.iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {
        "pytorch_lora_weights.safetensors",
        "dog.safetensors",
        "dog_emb.safetensors",
        "README.md",
    }


@pytest.mark.slow
def test_a_paused_run_goes_on_where_it_was_and_a_finished_one_is_left_alone(create: Create) -> None:
    run = create("run", steps=60)
    launcher.launch(run)
    wait_until(run, has_step(1))
    run.request("pause")
    paused = launcher.wait(run)
    assert paused.state == "paused"
    assert not list(run.output.iterdir())
    launcher.launch(run)
    finished = launcher.wait(run)
    assert (finished.state, finished.step, finished.total_steps) == ("finished", 60, 60)
    assert finished.started == paused.started
    assert isinstance(events_of(run)[-1], Finished)
    with pytest.raises(EngineError, match="already finished"):
        launcher.launch(run)
    assert run.status().state == "finished"


def worker(argument: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "engine", argument], capture_output=True, text=True, check=False)


def test_a_second_worker_is_refused_before_it_touches_anything(create: Create) -> None:
    run = create("run", steps=1)
    before = sorted(run.path.iterdir())
    with run.lock():
        result = worker(str(run.path))
    assert result.returncode == 2
    assert result.stderr.startswith("The run run is already being worked on.")
    assert sorted(run.path.iterdir()) == sorted([*before, run.path / "run.lock"])


def test_a_folder_that_is_no_run_gets_two_sentences(tmp_path: Path) -> None:
    result = worker(str(tmp_path))
    assert result.returncode == 2
    assert result.stderr == "There is no run to work at. Give the folder of one: python -m engine RUN_DIR\n"


def test_a_failure_is_told_in_the_events_the_status_and_the_exit_code(create: Create, photos: Path) -> None:
    run = create("run", steps=5)
    photos.rename(photos.with_name("gone"))
    result = worker(str(run.path))
    assert result.returncode == 1
    [event] = events_of(run)
    assert isinstance(event, Failed)
    assert event.problem == f"There is no folder {photos}."
    status = run.status()
    assert (status.state, status.message) == ("failed", f"{event.problem} {event.remedy}")
    assert "Traceback" in result.stderr, "the log has the whole story"


@pytest.mark.slow
def test_an_export_that_fails_leaves_the_checkpoint(create: Create) -> None:
    run = create("run", steps=1)
    (run.output / "run.safetensors").mkdir()  # cannot be replaced by a file
    assert worker(str(run.path)).returncode == 1
    assert run.status().state == "failed"
    assert (run.checkpoints / "000001" / "manifest.json").is_file()


def test_what_nobody_foresaw_is_named_with_the_place_of_its_story(create: Create) -> None:
    run = create("run", steps=1)
    event = failed(RuntimeError("mat1 and mat2 shapes cannot be multiplied\nmore"), run)
    assert event.problem == "RuntimeError: mat1 and mat2 shapes cannot be multiplied."
    assert event.remedy == f"The whole story is in {run.log_file}."


def test_the_status_follows_the_events_and_always_holds_the_last(create: Create) -> None:
    run = create("run", steps=3)
    with run.lock():
        journal = Journal(run)
        assert (run.status().state, run.status().pid) == ("running", os.getpid())
        journal(Started(name="run", pid=1, step=0, total_steps=3, pivot_step=2, photos=4, device="CPU"))
        for number in range(1, 4):
            journal(step(number, loss=1.0 / number))
        journal(Finished(step=3))
    stored = json.loads((run.path / "status.json").read_text())
    assert (stored["state"], stored["step"], stored["total_steps"], stored["loss"]) == ("finished", 3, 3, 1 / 3)
    assert [event.type for event in events_of(run)] == ["started", "step", "step", "step", "finished"]


def test_a_full_disk_costs_what_viewers_are_told_and_not_the_run(
    create: Create, capfd: pytest.CaptureFixture[str]
) -> None:
    run = create("full", steps=5)
    run.events_file.symlink_to("/dev/full")
    journal = Journal(run)
    journal(Pivot(step=3))
    journal(Pivot(step=4))
    assert capfd.readouterr().err.count("Make room on the disk") == 1
    assert run.status().step == 0
