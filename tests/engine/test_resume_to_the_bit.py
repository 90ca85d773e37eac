"""However a run was interrupted, it ends with the bytes of one that never was: through the real worker, all on."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import launcher
from engine.events import Checkpoint, Event, EventFollower, Phase, Pivot, Started
from engine.rundir import RunDir
from tests.faults.runs import CHECKPOINTING_STEPS, PIVOT, STEPS, create_in, last_files, write_photos

pytestmark = pytest.mark.slow
GIVE_UP_SECONDS = 300.0


@pytest.fixture(scope="module")
def new_run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], RunDir]:
    """Makes a new run, the same each time, in a folder of runs of its own, with caches of its own."""
    photos = write_photos(tmp_path_factory.mktemp("photos") / "photos")
    class_images = shutil.copytree(photos, photos.with_name("class"), ignore=shutil.ignore_patterns("*.jsonl"))
    sections = {
        "data": {"caption_dropout_rate": 0.3},
        "prior": {"class_data_dir": str(class_images), "num_class_images": 3},
        "sample": {"num_validation_images": 0},
        "run": {"train_batch_size": 2, "checkpoints_total_limit": None, "seed": 3},
    }
    return lambda: create_in(tmp_path_factory.mktemp("runs"), "her", photos, tiny_model, sections)


@pytest.fixture(scope="module")
def whole(new_run: Callable[[], RunDir]) -> dict[str, bytes]:
    """What a run leaves that was never interrupted."""
    run = new_run()
    assert finish(run)
    assert any(isinstance(event, Pivot) for event in EventFollower(run.events_file).new())
    return last_files(run)


@pytest.fixture(scope="module")
def killed(new_run: Callable[[], RunDir]) -> RunDir:
    """A run that was killed when it had checkpoints of before, at and after the pivot: only to be copied."""
    run = new_run()
    pid = launch_until(run, lambda event: isinstance(event, Checkpoint) and event.step > PIVOT)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return run


def launch_until(run: RunDir, wanted: Callable[[Event], bool]) -> int:
    """Launch a worker and return its process id as soon as one of its events is `wanted`."""
    follower, deadline = EventFollower(run.events_file), time.monotonic() + GIVE_UP_SECONDS
    follower.new()  # an earlier worker's
    pid = launcher.launch(run)
    while not any(map(wanted, follower.new())):
        assert time.monotonic() < deadline and launcher.is_active(run.status()), run.log_file.read_text()
        time.sleep(0.02)
    return pid


def finish(run: RunDir) -> bool:
    launcher.launch(run)
    return launcher.wait(run).state == "finished"


def starts(run: RunDir) -> list[int]:
    return [event.step for event in EventFollower(run.events_file).new() if isinstance(event, Started)]


@pytest.mark.parametrize("step", [PIVOT - CHECKPOINTING_STEPS, PIVOT, PIVOT + CHECKPOINTING_STEPS])
def test_killed_before_at_and_after_the_pivot(
    killed: RunDir, whole: dict[str, bytes], tmp_path: Path, step: int
) -> None:
    run = RunDir(shutil.copytree(killed.path, tmp_path / "elsewhere" / "her"))  # on another machine, so to say
    for later in run.checkpoints.iterdir():
        if not later.name.isdigit() or int(later.name) > step:
            shutil.rmtree(later)
    assert finish(run)
    assert starts(run) == [0, step]
    assert last_files(run) == whole


def test_paused_twice_in_a_row_and_moved_in_between(
    new_run: Callable[[], RunDir], whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = new_run()
    for place in ("here", "there"):
        launch_until(run, lambda event: isinstance(event, Phase) and event.phase == "training")
        run.request("pause")
        assert launcher.wait(run).state == "paused"
        (tmp_path / place).mkdir()
        run = RunDir(run.path.rename(tmp_path / place / "her"))
    assert finish(run)
    assert len(starts(run)) == 3 and 0 < starts(run)[1] < starts(run)[2] < STEPS
    assert last_files(run) == whole
