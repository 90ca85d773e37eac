"""Draw docs/images/*.svg from the running TUI: the demo's photos, a caption typed, the mini model training.

Run it from the repository's root: uv run python docs/screenshots.py
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"  # pictures are drawn in it; Textual reads this when it is imported

from textual.pilot import Pilot

from engine.launcher import wait
from loratui.app import LoratuiApp
from loratui.commands.demo import DEMO_SETTINGS
from loratui.flags import parse_settings
from loratui.photos.demo_photos import write_demo_photos
from loratui.project import Project
from loratui.recipe import KIND, Setting, as_flag
from loratui.screens.step import StepScreen
from loratui.terminal.probe import PLAIN

IMAGES = Path(__file__).parent / "images"
SIZE = (120, 36)
SHOWN, CAPTION = "cut-out.png", " in the middle on a white background"
SETTINGS = (
    *DEMO_SETTINGS,
    "concept.instance_prompt=a photo of TOK monster",
    "text_encoder.initializer_concept=monster",
    "sample.validation_prompt=a photo of a TOK monster in the snow",
)


async def draw(folder: Path) -> None:
    """Walk the road in `folder`, and draw each screen on the way."""
    os.chdir(folder)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(folder / name)
    write_demo_photos(Path("photos"))
    trigger = ("caption", "trigger", "photos", "TOK", "--class-noun", "monster")
    subprocess.run([sys.executable, "-m", "loratui", *trigger], check=True)
    project = Project(Path("runs"))
    project.open(Path("photos"))
    project.choose(KIND, "character")
    for section, values in parse_settings(SETTINGS).tables.items():
        for key, value in values.items():
            project.choose(Setting(section, key, key), as_flag(value))
    app = LoratuiApp(project)
    app.use_pictures("half-blocks", PLAIN)
    async with app.run_test(size=SIZE) as pilot:
        await _shoot(pilot, "photos", "1", "j", "j", "j")
        await _shoot(pilot, "checks", "2", "j", "j")
        await pilot.press("g", "x")  # the truncated file, which cannot be trained on
        photos = project.dataset.photos if project.dataset else ()
        await pilot.press("3", *"j" * [photo.name for photo in photos].index(SHOWN), "e")
        await _shoot(pilot, "captions", *("space" if character == " " else character for character in CAPTION))
        await _shoot(pilot, "recipe", "escape", "4")
        await pilot.press("s")
        await _until(pilot, lambda: project.monitor is not None and project.monitor.step > 150)
        await _shoot(pilot, "train")
        await _until(pilot, lambda: project.monitor is not None and not project.monitor.active)
        await _shoot(pilot, "results", "6")
        await _shoot(pilot, "home", "0")
    assert project.monitor
    wait(project.monitor.run)


async def _shoot(pilot: Pilot, name: str, *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause(1)
    await _until(pilot, lambda: not (isinstance(pilot.app.screen, StepScreen) and pilot.app.screen.jobs))
    await pilot.pause(1)
    (IMAGES / f"{name}.svg").write_text(pilot.app.export_screenshot(simplify=True), "utf-8")


async def _until(pilot: Pilot, condition: Callable[[], bool]) -> None:
    while not condition():
        await pilot.pause(0.1)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(draw(Path(folder)))
