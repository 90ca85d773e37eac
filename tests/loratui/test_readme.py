"""What README.md and docs/ tell people to type works, and what they point to is there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from engine.models.files import resolve_model
from loratui.command_line import app
from loratui.flags import parse_flags

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND_LINES = sorted({line for page in PAGES for line in re.findall(r"(?m)^ {4}(loratui .*)$", page.read_text())})


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_command_lines_are_understood(line: str) -> None:
    """Parsed, not run: the command exists, and knows its options and their values."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(line, comments=True)[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context("loratui", words)
    parse_flags([word for word in context.args if not word.endswith(".toml")])


@pytest.mark.slow
def test_the_recipe_for_diffusers_loads_a_run_as_it_is_written(finished_run: Path) -> None:
    """On the tiny model and a CPU; all else as in the README."""
    recipe = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    for written, here in {
        '"stabilityai/stable-diffusion-xl-base-1.0"': repr(str(resolve_model("tiny"))),
        '.to("cuda")': "",
        "float16": "float32",
        "NAME": finished_run.name,
        'woman")': 'woman", height=64, width=64, num_inference_steps=2)',
    }.items():
        assert written in recipe
        recipe = recipe.replace(written, here)
    done = subprocess.run([sys.executable, "-c", recipe], cwd=finished_run / "output", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
