"""Draw docs/images/*.svg from the running TUI: the demo's photos, a caption typed, the mini model training.

Run it from the repository's root: uv run python docs/screenshots.py
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from curation.dataset import Photo
from engine.launcher import wait
from loratui.app import LoratuiApp
from loratui.demo_photos import write_demo_photos
from loratui.project import Project
from loratui.recipe import KIND, MAIN_SETTINGS

IMAGES = Path(__file__).parent / "images"
SIZE = (100, 32)
SHOWN, CAPTION = "cut-out.png", "a photo of a TOK monster in the middle on a white background"
MINI = {"Model": "mini", "Resolution": "64", "Steps": "200", "Rank": "8"}


async def draw(folder: Path) -> None:
    """Walk the road in `folder`, and draw each screen on the way."""
    os.chdir(folder)
    write_demo_photos(Path("photos"))
    project = Project(Path("runs"))
    project.open(Path("photos"))
    project.choose(KIND, "character")
    app = LoratuiApp(project)
    async with app.run_test(size=SIZE) as pilot:
        await _shoot(pilot, "photos", "1")
        await _shoot(pilot, "checks", "2")
        await pilot.press("x")  # the truncated file, which cannot be trained on
        await pilot.press("3", *"j" * [photo.name for photo in _photos(project)].index(SHOWN), "e")
        await pilot.press(*("space" if character == " " else character for character in CAPTION))
        await _shoot(pilot, "captions")
        await _shoot(pilot, "recipe", "escape", "4")
        for setting in MAIN_SETTINGS:
            if setting.label in MINI:
                project.choose(setting, MINI[setting.label])
        await pilot.press("s")
        await _until(pilot, lambda: project.monitor is not None and project.monitor.step > 150)
        await _shoot(pilot, "train")
    assert project.monitor
    project.monitor.run.request("stop")
    wait(project.monitor.run)


def _photos(project: Project) -> tuple[Photo, ...]:
    return project.dataset.photos if project.dataset else ()


async def _shoot(pilot: Pilot, name: str, *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.2)
    (IMAGES / f"{name}.svg").write_text(pilot.app.export_screenshot(simplify=True), "utf-8")


async def _until(pilot: Pilot, condition: Callable[[], bool]) -> None:
    while not condition():
        await pilot.pause(0.1)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(draw(Path(folder)))
