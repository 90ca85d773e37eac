"""Programs are started without a shell, and a line that is shown to be copied quotes what came from outside."""

import ast
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.dataset import exclude, open_dataset
from curation.errors import StatedError
from curation.suppressions import remove
from engine.config import load_config
from engine.data.examples import read_examples
from engine.models.hub import how_to_download
from engine.preflight import preflight
from loratui.command_line import app
from tests.engine.training import short_config
from tests.security.source import calls, imports, modules

EVIL = "a b; touch owned $(touch owned) `touch owned` 'x' \"y\" && *"


@pytest.fixture
def hostile(photos: Path) -> Path:
    """A folder of photos whose name is a command for a shell."""
    return photos.rename(photos.with_name(EVIL))


def copied_lines_quote(text: str, *folders: Path) -> bool:
    """Whether wherever a command or flag is followed by one of the folders, it is as one word for a shell."""
    quoted = [shlex.quote(str(folder)) for folder in folders]
    after = re.findall(r"(?:loratui (?:caption )?\w+|--instance_data_dir) (?=['/])(.*)", text)
    return bool(after) and all(line.startswith(tuple(quoted)) for line in after)


def test_no_program_is_started_through_a_shell() -> None:
    for name in ("run", "Popen", "call", "check_call", "check_output", "create_subprocess_exec"):
        for path, node in calls(name):
            for keyword in node.keywords:
                assert keyword.arg != "shell", path
    shells = (
        "system",
        "popen",
        "getoutput",
        "getstatusoutput",
        "create_subprocess_shell",
        "spawnl",
        "execl",
        "startfile",
    )
    assert [(path, name) for name in shells for path, _ in calls(name)] == []
    assert not [path for path, name in imports() if name in ("pty", "pexpect", "commands", "webbrowser")]


def test_a_program_is_a_list_of_words() -> None:
    for path, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen"):
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr), path


def test_remedies_quote_the_folder_of_photos(
    hostile: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset(hostile)
    everything = exclude(dataset, {photo.name: "no" for photo in dataset.photos})
    config = short_config(hostile, tiny_model)
    acts: list[Callable[[], object]] = [
        lambda: remove(dataset, "IMG002"),
        lambda: read_examples(config),
        lambda: preflight(config),
        lambda: load_config(hostile),
    ]
    assert not everything.trainable
    for act in acts:
        with pytest.raises(StatedError) as refused:
            act()
        assert copied_lines_quote(refused.value.remedy, hostile), refused.value.remedy


def test_next_steps_quote_the_folder_of_photos(hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fixed = hostile.with_name(f"{EVIL} fixed")
    for command in (["init", str(hostile)], ["lint", str(hostile), "--fix", "--output", str(fixed)]):
        done = CliRunner().invoke(app, command)
        assert copied_lines_quote(done.stderr, hostile, fixed), done.output


def test_the_name_of_a_model_is_one_word() -> None:
    assert shlex.split(how_to_download(EVIL))[-1] == EVIL
