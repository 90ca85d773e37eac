"""Who imports whom: one way between the packages, and nothing heavy where a user waits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "diffusers", "transformers", "peft", "accelerate"}

# Each runs in a Python of its own, which then says what it has imported.
COMMAND = """
import sys
from loratui.cli import main
sys.argv = ["loratui", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
"""
FIRST_SCREEN = """
import asyncio, sys
from pathlib import Path
from loratui.app import LoratuiApp
from loratui.project import Project

async def look():
    project = Project(Path("runs"))
    project.open(Path(sys.argv[1]))
    async with LoratuiApp(project).run_test() as pilot:
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()

asyncio.run(look())
"""
TELL = "\nimport json\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)\n"


def imported_by(code: str, *arguments: str | Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + TELL, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["lint", "--help"], ["train", "--help"], ["runs"], ["config", "show"]]
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    imported = imported_by(COMMAND, *arguments)
    assert "typer" in imported and not imported & HEAVY


def test_lint_and_caption_import_nothing_heavy(photos: Path) -> None:
    for arguments in (["lint", "--kind", "person"], ["caption", "list"]):
        imported = imported_by(COMMAND, *arguments, photos)
        assert "curation" in imported and not imported & HEAVY


def test_the_first_screen_imports_nothing_heavy(photos: Path) -> None:
    imported = imported_by(FIRST_SCREEN, photos)
    assert "textual" in imported and not imported & HEAVY
