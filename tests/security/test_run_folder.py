"""What is written of a run is for its owner alone, whatever the umask allows."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from curation.atomic import write_text, writing
from engine.config import TrainConfig
from engine.events import EventWriter
from engine.rundir import RunDir, Status, create_run


@pytest.fixture(params=[0o022, 0o000], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[Path]:
    """What others than the owner may read, write or enter, below a folder and it too."""
    return [path for path in [folder, *folder.rglob("*")] if stat.S_IMODE(path.stat().st_mode) & 0o077]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path / "runs", "cat", TrainConfig())


def test_a_new_run(run: RunDir) -> None:
    assert open_to_others(run.path) == []


def test_pictures_checkpoints_and_files_of_it(run: RunDir) -> None:
    """Also in folders that are made on the way, such as class_images, and where a file is written anew."""
    for path in (run.samples / "000001-0.png", run.class_images / "0000.png"):
        for _ in range(2):
            with writing(path) as temporary:
                Image.new("RGB", (8, 8)).save(temporary, format="PNG")
    write_text(run.checkpoints / "000001" / "state.json", "{}")
    run.write_status(Status(state="running"))
    run.request("stop")
    EventWriter(run.events_file)
    with run.lock():
        assert open_to_others(run.path) == []


def test_files_elsewhere_are_as_open_as_the_umask_says(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    mask = os.umask(0)
    os.umask(mask)
    write_text(tmp_path / "made" / "metadata.jsonl", "")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "made" / "metadata.jsonl").stat().st_mode) == 0o666 & ~mask
