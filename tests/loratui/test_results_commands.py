"""What is done with a run that has files: `generate`, `export`, `verify`."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from engine.errors import EngineError
from loratui.commands import results
from loratui.commands.results import SHEET
from tests.loratui.program import run_in_a_terminal

pytestmark = pytest.mark.usefixtures("finished_run")

app = Typer()
for command in (results.generate, results.export, results.verify):
    app.command()(command)


def run(*arguments: object) -> tuple[int, str]:
    """The exit code and stdout of a command, in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_a_finished_run_verifies(finished_run: Path) -> None:
    code, said = run("verify", finished_run, "--json")
    verification = json.loads(said)
    assert code == 0
    assert verification["version"] == 1
    assert verification["run"] == "done"
    assert verification["ok"] is True
    assert verification["difference"] <= 1e-3
    assert [Path(file).parent for file in verification["files"]] == [finished_run / "output"] * 3


def test_pictures_land_on_a_sheet_whose_path_is_printed(finished_run: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    prompts = ["--prompt", "TOK in the snow", "--prompt", "a TOK"]
    code, said = run("generate", finished_run, *prompts, "--num-images", 2, "--steps", 1, "--output", sheet)
    assert (code, said) == (0, f"{sheet}\n")
    assert Image.open(sheet).format == "PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_a_folder_gets_every_picture_and_the_sheet(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    code, said = run("generate", finished_run, "--num-images", 2, "--steps", 1, "--size", 64, "--output", folder)
    assert (code, said) == (0, f"{folder / SHEET}\n")
    assert sorted(path.name for path in folder.iterdir()) == ["000.png", "001.png", SHEET]
    assert Image.open(folder / "000.png").size == (64, 64)


def test_the_base_models_pictures_stand_above_those_with_the_lora(finished_run: Path, tmp_path: Path) -> None:
    heights, pictures = [], []
    for extra, name in (((), "alone"), (("--compare-base",), "compared")):
        prompts = ["--prompt", "TOK in the snow", "--prompt", "a TOK", "--num-images", 1, "--steps", 1]
        code, said = run("generate", finished_run, *prompts, *extra, "--output", tmp_path / name)
        assert (code, said) == (0, f"{tmp_path / name / SHEET}\n")
        heights.append(Image.open(tmp_path / name / SHEET).height)
        pictures.append([path.read_bytes() for path in sorted((tmp_path / name).glob("0*.png"))])
    assert heights[1] > 1.9 * heights[0]
    assert pictures[0] == pictures[1] and len(pictures[0]) == 2


def test_a_terminal_with_colours_shows_the_pictures_and_then_the_path(finished_run: Path, tmp_path: Path) -> None:
    words = ["generate", finished_run, "--compare-base", "--steps", "1", "--output", tmp_path / "a.png"]
    drawn = run_in_a_terminal(*words)
    assert drawn.index("base model") < drawn.index("with the LoRA") < drawn.index("a.png")
    assert drawn.count("▀") > 2 * 24 * 12
    assert "▀" not in run_in_a_terminal(*words, NO_COLOR="1")


def test_export_writes_the_same_files_elsewhere(finished_run: Path, tmp_path: Path) -> None:
    code, said = run("export", finished_run, "--output", tmp_path / "files")
    assert code == 0
    for path in map(Path, said.splitlines()):
        assert path.read_bytes() == (finished_run / "output" / path.name).read_bytes()
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["generate", "{run}", "--size", "100"], "cannot be 100 pixels wide"),
        (["generate", "{run}", "--size", "1000000"], "size is out of range"),
        (["generate", "{run}", "--seed", "9223372036854775807"], "seed is out of range"),
        (["generate", "{run}", "--lora-scale", "nan"], "lora scale is out of range"),
        (["generate", "{run}", "--guidance-scale", "inf"], "guidance scale is out of range"),
        (["export", "{run}", "--checkpoint", "12345"], "no checkpoint of step 12345"),
        (["verify", "nothing"], "There is no run 'nothing'"),
    ],
)
def test_bad_wishes_are_told(arguments: list[str], problem: str, finished_run: Path) -> None:
    with pytest.raises(EngineError, match=problem):
        run(*(argument.format(run=finished_run) for argument in arguments))
