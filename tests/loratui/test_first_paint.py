"""The first paint of `loratui`: one whole frame, for which nothing is imported that it does not need."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.tui_terminal import PtyTerminal
from loratui.project import Project
from loratui.standing import WITHOUT_PHOTOS

ROOT = Path(__file__).parents[2]
SLOW_TO_IMPORT = {"typer", "pydantic", "tomlkit", "PIL", "numpy", "scipy", "cv2", "torch"}
TELLING = """
import json, sys
from textual.drivers.linux_driver import LinuxDriver
from loratui.cli import main

send = LinuxDriver.write

def write(self, data):
    send(self, data)
    if "Captions" in data:
        LinuxDriver.write = send
        print(json.dumps({"frame": data, "modules": list(sys.modules)}), file=open("told.json", "w"))

LinuxDriver.write = write
main()
"""


def at_first_paint(folder: Path, *arguments: str) -> tuple[str, set[str]]:
    """What the program sends that first shows the strip, and which modules are imported by then."""
    with PtyTerminal(
        [sys.executable, "-c", TELLING, *arguments], environ={"PYTHONPATH": str(ROOT)}, cwd=folder
    ) as terminal:
        terminal.receive_until(lambda sent: b"Captions" in sent)
        terminal.send(b"q")
        terminal.receive_until_quiet()
    told = json.loads((folder / "told.json").read_text())
    return told["frame"], set(told["modules"])


def test_it_shows_the_whole_screen_at_once(tmp_path: Path) -> None:
    frame, _ = at_first_paint(tmp_path)
    for words in ("1 Photos", "Captions", "A LoRA teaches SDXL one subject", "loratui demo", "Quit"):
        assert words in frame


def test_it_waits_for_nothing_that_is_slow_to_import(tmp_path: Path) -> None:
    _, modules = at_first_paint(tmp_path)
    assert not {name.partition(".")[0] for name in modules} & SLOW_TO_IMPORT


@pytest.mark.parametrize("arguments", [[], ["--no-mouse"]])
def test_it_waits_for_no_other_screen_and_no_command(tmp_path: Path, arguments: list[str]) -> None:
    _, modules = at_first_paint(tmp_path, *arguments)
    screens = {name for name in modules if name.startswith("loratui.screens.")}
    assert screens == {f"loratui.screens.{name}" for name in ("home", "step", "too_small")}
    assert {name for name in modules if name.startswith("loratui.commands.")} <= {"loratui.commands.options"}


def test_the_strip_shows_what_a_project_without_photos_would_say(tmp_path: Path) -> None:
    assert Project(tmp_path / "runs").standings() == WITHOUT_PHOTOS
