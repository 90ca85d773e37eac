"""Every screen as its user sees it, against tests/loratui/snapshots: filled, empty, at work, wrong, with long names.

`LORATUI_SNAPSHOTS=write pytest tests/loratui/test_tui_snapshots.py` writes them anew; look at what changed before it is
committed.
"""

import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from rich.color import Color
from textual.pilot import Pilot

from curation.dataset import exclude, open_dataset
from curation.errors import StatedError
from engine.events import Failed, Pivot, Sample, Verified, Warned
from engine.rundir import RunDir
from loratui.screens.step import StepScreen
from tests.loratui.made_runs import TOTAL, made_run, rehearsed, started, step
from tests.loratui.tui import NARROW, WIDE, app_on, go, screen_text, sees

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = pytest.mark.parametrize("size", [NARROW, WIDE], ids=lambda size: f"{size[0]}x{size[1]}")
SCREENS = {"home": "0", "photos": "1", "checks": "2", "captions": "3", "recipe": "4", "train": "5", "results": "6"}
NOW = 1_800_000_000.0
LONG = "a-name-that-goes-on-and-on-" * 6
"""162 characters: more than a terminal is wide."""
PATIENCE = 200
"""Looks at a screen before it counts as another than its snapshot; a loaded machine takes seconds to draw one."""
EVERY_SCREEN = pytest.mark.parametrize("name", SCREENS)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The clock, the disk, the machine, the user's folders and the length of a path are the same wherever tests run."""
    place = Path(tempfile.mkdtemp(prefix="loratui-", dir="/tmp"))
    monkeypatch.chdir(place)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME", "PATH"):
        monkeypatch.setenv(name, str(place / name))
    for name in ("TMUX", "STY", "SSH_CONNECTION", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * 10**9, 40 * 10**9, 60 * 10**9))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def folder(sample_photos: Path, the_same_everywhere: Path) -> Path:
    """Photos with a caption, one left out, and a finished and a failed run beside them."""
    photos = Path(shutil.copytree(sample_photos, "photos"))
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": "cat.png", "prompt": "TOK, a cat asleep"}) + "\n")
    exclude(open_dataset(photos), {"rocket.png": "left out by hand"})
    runs = Path("runs")
    finished_run(runs, "her")
    problem = Failed(problem="The GPU is full.", remedy="Set low_memory, or a smaller resolution.")
    made_run(runs, "him", "failed", [started("him"), *map(step, range(1, 121)), problem])
    _date_back(runs)
    return photos


def _date_back(folder: Path) -> None:
    for file in (folder, *folder.rglob("*")):
        os.utime(file, (NOW - 3600, NOW - 3600))


def finished_run(runs: Path, name: str) -> RunDir:
    """A run with a pivot, sample pictures, a warning and verified files."""
    steps = [*map(step, range(1, 500)), Pivot(step=500), *map(step, range(500, TOTAL + 1))]
    samples = [
        Sample(step=number, path=f"samples/{number:06d}-0.png", prompt="a photo of TOK") for number in (500, TOTAL)
    ]
    verified = Verified(
        ok=True, files=[f"output/{name}.safetensors"], tensors=10, difference=0.0, message="10 tensors equal"
    )
    ends = [Warned(message="The learning rate is high."), verified]
    events = [started(name), rehearsed(1.5), *steps, *samples, *ends]
    run = made_run(runs, name, "finished", events, checkpoints=(500, TOTAL))
    for number in (500, TOTAL):
        Image.new("RGB", (64, 64), (200, number % 255, 90)).save(run.samples / f"{number:06d}-0.png")
    (run.output / f"{name}.safetensors").write_bytes(bytes(1000))
    return run


async def stands_still(pilot: Pilot) -> None:
    """Wait until nothing more comes to the screen: pictures and figures that follow the cursor come a moment later."""
    text = ""
    while text != (text := await go(pilot)):
        await pilot.pause(0.6)


async def check(pilot: Pilot, name: str, size: tuple[int, int]) -> None:
    """Compare what stands on the screen, once all of it has come, with the snapshot of that name."""
    path = SNAPSHOTS / f"{name}-{size[0]}x{size[1]}.txt"
    if os.environ.get("LORATUI_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(_settled(screen_text(pilot)), "utf-8")
    snapshot = path.read_text("utf-8")
    for _ in range(PATIENCE):
        if _settled(screen_text(pilot)) == snapshot:
            return
        await pilot.pause(0.1)
    assert _settled(screen_text(pilot)) == snapshot


def _settled(text: str) -> str:
    """Without trailing spaces, and without the name of the test's own folder."""
    text = re.sub(r"/tmp/loratui-\w+", lambda found: "~" * len(found[0]), text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@EVERY_SCREEN
@SIZES
async def test_a_project_under_way(name: str, size: tuple[int, int], folder: Path) -> None:
    app = app_on(folder)
    app.project.watch(RunDir(Path("runs/her")))
    async with app.run_test(size=size) as pilot:
        await pilot.press(SCREENS[name])
        await stands_still(pilot)
        await check(pilot, name, size)


@EVERY_SCREEN
@SIZES
async def test_nothing_yet(name: str, size: tuple[int, int]) -> None:
    async with app_on(None).run_test(size=size) as pilot:
        await pilot.press("escape", SCREENS[name])
        await stands_still(pilot)
        await check(pilot, f"{name}-empty", size)


@EVERY_SCREEN
@SIZES
async def test_very_long_names(name: str, size: tuple[int, int], folder: Path) -> None:
    name_of_photo = f"0-[foo]-\u65e5\u672c-{LONG}.png"
    (folder / "cat.png").rename(folder / name_of_photo)
    caption = f"[/foo] [red] \U0001f469 \x1b[31m {LONG}"
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": name_of_photo, "prompt": caption}) + "\n")
    long_run = f"r-{LONG[:100]}"
    finished_run(Path("runs"), long_run)
    _date_back(Path("runs"))
    app = app_on(folder)
    app.project.watch(RunDir(Path("runs", long_run)))
    async with app.run_test(size=size) as pilot:
        await pilot.press(SCREENS[name])
        await stands_still(pilot)
        await check(pilot, f"{name}-long", size)


@EVERY_SCREEN
@SIZES
async def test_work_in_the_background_and_an_error(name: str, size: tuple[int, int], folder: Path) -> None:
    app = app_on(folder)
    app.project.watch(RunDir(Path("runs/him")))
    done = threading.Event()
    async with app.run_test(size=size, notifications=True) as pilot:
        await go(pilot, SCREENS[name])
        assert isinstance(app.screen, StepScreen)
        app.screen.start_job("Reading the photos", lambda _: done.wait(), lambda _: None)
        await sees(pilot, "Reading the photos ...", "esc cancels")
        app.screen.tell(StatedError("photos/cat.png cannot be read: it is damaged.", "Leave it out, or mend it."))
        await sees(pilot, "Leave it out, or mend it.")
        await pilot.pause(0.6)  # as in `stands_still`, which would wait for the end of the work
        await check(pilot, f"{name}-at-work", size)
        done.set()


@EVERY_SCREEN
@SIZES
async def test_without_colours(name: str, size: tuple[int, int], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_on(folder)
    app.project.watch(RunDir(Path("runs/him")))
    async with app.run_test(size=size) as pilot:
        await pilot.press(SCREENS[name])
        await stands_still(pilot)
        await check(pilot, f"{name}-no-colour", size)
        styles = {segment.style for line in app.screen._compositor.render_strips() for segment in line}
        assert not any(style and (_is_coloured(style.color) or _is_coloured(style.bgcolor)) for style in styles)


def _is_coloured(colour: Color | None) -> bool:
    return colour is not None and not colour.is_default
