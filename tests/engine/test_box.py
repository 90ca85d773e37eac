"""A run on a box that vanishes, through the real worker: copied, lost, fetched back, stopped by its limit, finished."""

import dataclasses
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import launcher
from engine.box.limits import HOUR
from engine.config import save_config
from engine.errors import EngineError
from engine.events import Event, Step, Stopped, Verified
from engine.rundir import RunDir, create_run
from tests.engine.box import program, warnings_of
from tests.engine.training import short_config
from tests.run_events import events_of

SECRET = "T0AbCdEfGhIjKlMn"
GIVE_UP_SECONDS = 240.0

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("rsync"), reason="needs rsync")]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def of_type(run: RunDir, kind: type[Event]) -> list[Event]:
    return [event for event in events_of(run) if isinstance(event, kind)]


def test_a_run_outlives_its_box_and_keeps_to_its_hours(
    photos: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    away, told = tmp_path / "away", tmp_path / "told"
    away.mkdir()
    note = program(tmp_path / "bin" / "note", f'echo "$1 $LORATUI_EVENT $LORATUI_STATE" >> {told}')
    settings = {
        **{"max_train_steps": 30, "checkpointing_steps": 5, "max_hours": 1.0, "sync_to": f"rsync:{away}"},
        **{"notify_command": f"{note} notified", "on_finish": f"{note} over"},
        **{"notify_webhook": f"http://127.0.0.1:1/{SECRET}"},
    }
    config = short_config(photos, tiny_model, run=settings)

    lost = create_run(tmp_path / "runs", "cat", config)
    launcher.launch(lost)
    wait_until(lambda: bool(of_type(lost, Step)))
    lost.request("pause")
    assert launcher.wait(lost).state == "paused"
    assert not told.exists(), "it is not over"
    shutil.rmtree(lost.path)

    run = RunDir(shutil.copytree(away / "cat", tmp_path / "new-box" / "cat"))
    assert run.status().state == "paused" and run.status().worked > 0
    run.write_status(dataclasses.replace(run.status(), worked=2 * HOUR))
    with pytest.raises(EngineError, match="which is its max_hours, so it would stop at once"):
        launcher.launch(run)
    ended = subprocess.run([sys.executable, "-m", "engine", str(run.path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert run.status().state == "stopped" and of_type(run, Verified)
    assert isinstance(events_of(run)[-1], Stopped)
    assert any("which is its max_hours: it stops, with a checkpoint and an export" in said for said in warnings_of(run))
    assert {path.name for path in (away / "cat" / "output").iterdir()} == {path.name for path in run.output.iterdir()}

    update = {"run": config.run.model_copy(update={"max_hours": 9.0})}
    save_config(config.model_copy(update=update), run.config_file)
    launcher.launch(run)
    assert launcher.wait(run).state == "finished"
    everything = [
        "notified finished finished",
        "notified pivot running",
        "over finished finished",
        "over stopped stopped",
    ]
    wait_until(lambda: sorted(told.read_text().splitlines()) == everything)
    assert told.read_text().splitlines()[-1] == "over finished finished"
    assert (away / "cat" / "output" / "cat.safetensors").read_bytes() == (run.output / "cat.safetensors").read_bytes()
    assert "notify_webhook did not work: 127.0.0.1" in run.log_file.read_text()
    files = [path for path in run.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert files == [run.config_file]
