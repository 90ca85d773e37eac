"""`loratui lint --fix` and `--diff`: what is written, what is told, and a lora.toml that follows."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation import open_dataset
from engine.config import load_config
from engine.errors import ConfigError
from loratui.command_line import app
from tests.loratui.program import COMMAND, PATIENCE_SECONDS

CONFIG = """\
# my settings
[data]
instance_data_dir = {}  # the photos
resolution = 256
"""


def loratui(*arguments: str | Path) -> Result:
    """Run in this process; an expected failure is raised, as `main` turns it into two sentences."""
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def faulty(photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of which one is named wrongly and one is there twice; the current folder is beside them."""
    (photos / "cat.png").rename(photos / "cat.jpg")
    shutil.copy(photos / "coffee.png", photos / "copy.png")
    monkeypatch.chdir(photos.parent)
    return photos


@pytest.fixture
def config(faulty: Path) -> Path:
    """A lora.toml in the current folder that names the photos as one types them."""
    path = Path("lora.toml")
    path.write_text(CONFIG.format('"photos"'))
    return path


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "facts.jsonl"
    }


def test_diff_lists_every_fix_and_writes_nothing(faulty: Path, config: Path) -> None:
    before = everything(faulty.parent)
    result = loratui("lint", "photos", "--ignore", "IMG", "--diff", "--unsafe-fixes", "--update-config")
    lines = result.stdout.splitlines()
    assert f"photos/cat.jpg -> {faulty.parent}/photos-fixed/cat.png" in lines
    assert "- PNG, 451 x 300, RGB, no profile" in lines
    assert "+ PNG, 451 x 300, RGB, sRGB" in lines
    assert any(line.startswith("  DUP001 exact-duplicate:") for line in lines)
    assert '+instance_data_dir = "photos-fixed"  # the photos' in lines
    assert everything(faulty.parent) == before


def test_diff_of_safe_fixes_alone_leaves_nothing_out(faulty: Path) -> None:
    assert "left out" not in loratui("lint", "photos", "--diff").stdout


def test_diff_of_nothing_says_so(photos: Path) -> None:
    result = loratui("lint", photos, "--diff")
    assert (result.stdout, result.stderr) == ("", "There is nothing to fix.\n")


def test_without_a_terminal_lora_toml_stays_and_the_line_is_told(faulty: Path, config: Path) -> None:
    result = loratui("lint", "photos", "--fix")
    assert config.read_text() == CONFIG.format('"photos"')
    assert 'To train on it set in lora.toml, or repeat with --update-config: instance_data_dir = "photos-fixed"' in (
        result.stderr.splitlines()
    )


def test_update_config_changes_one_value_and_is_undone_with_the_copy(faulty: Path, config: Path) -> None:
    loratui("lint", "photos", "--ignore", "IMG", "--fix", "--unsafe-fixes", "--update-config")
    assert config.read_text() == CONFIG.format('"photos-fixed"')
    assert load_config(config).data.resolution == 256
    assert [photo.name for photo in open_dataset(faulty).photos if photo.excluded] == ["copy.png"]

    result = loratui("undo", "photos")

    assert result.stderr == "Took back: Write photos-fixed: 1 mended, 1 left out.\n"
    assert config.read_text() == CONFIG.format('"photos"')
    assert sorted(path.name for path in faulty.parent.iterdir()) == ["lora.toml", "photos"]
    assert not [photo.name for photo in open_dataset(faulty).photos if photo.excluded]


def test_a_second_fix_is_up_to_date_and_may_still_point_there(faulty: Path, config: Path) -> None:
    loratui("lint", "photos", "--fix")
    before = everything(Path("photos-fixed"))
    result = loratui("lint", "photos", "--fix", "--update-config")
    assert f"{faulty.parent}/photos-fixed is up to date: 5 photos." in result.stderr
    assert everything(Path("photos-fixed")) == before
    assert config.read_text() == CONFIG.format('"photos-fixed"')


@pytest.mark.parametrize("key", ["instance_data_dir", "dataset_name"])
def test_an_absolute_path_stays_absolute_under_either_name(faulty: Path, config: Path, key: str) -> None:
    config.write_text(f"data.{key} = '{faulty}'\r\nlora.rank = 8 # small\r\n")
    loratui("lint", faulty, "--fix", "--output", "mended", "--config", config, "--update-config")
    assert config.read_bytes() == f'data.{key} = "{faulty.parent}/mended"\r\nlora.rank = 8 # small\r\n'.encode()


@pytest.mark.parametrize("text", [CONFIG.format('"elsewhere"'), "[data]\n", "data = 1", "no toml", None])
def test_a_lora_toml_about_something_else_is_left_alone(faulty: Path, text: str | None) -> None:
    if text is not None:
        Path("lora.toml").write_text(text)
    result = loratui("lint", "photos", "--fix")
    assert "Train on it with: --instance_data_dir" in result.stderr
    assert text is None or Path("lora.toml").read_text() == text
    shutil.rmtree("photos-fixed")
    with pytest.raises(ConfigError, match="does not name photos"):
        loratui("lint", "photos", "--fix", "--update-config")
    assert not Path("photos-fixed").exists()


@pytest.mark.parametrize(("answer", "named"), [("y\n", "photos-fixed"), ("n\n", "photos"), ("\n", "photos")])
def test_on_a_terminal_it_asks_before_it_touches_lora_toml(faulty: Path, config: Path, answer: str, named: str) -> None:
    terminal, programs_end = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "lint", "photos", "--fix"],
        stdin=programs_end,
        stdout=subprocess.DEVNULL,
        stderr=programs_end,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(programs_end)
    seen = b""
    while b"too?" not in seen:
        seen += os.read(terminal, 4096)
    assert not Path("photos-fixed").exists(), "asked before anything is written"
    os.write(terminal, answer.encode())
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # how a terminal tells that the program closed it
        pass
    assert process.wait(PATIENCE_SECONDS) in (0, 1)
    assert Path("photos-fixed").is_dir()
    assert config.read_text() == CONFIG.format(f'"{named}"')


def test_names_cannot_steer_the_terminal(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "[bold]\x1b[31m\n.jpg")
    for options in (["--diff"], ["--fix"]):
        result = loratui("lint", photos, *options)
        assert "\x1b" not in result.output
        assert r"[bold]\x1b[31m\n" in result.output
    assert (photos.parent / "photos-fixed" / "[bold]\x1b[31m\n.png").is_file()


def test_an_output_that_cannot_be_is_refused_in_two_sentences(faulty: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "lint", "photos", "--fix", "--output", "photos/cat.jpg/below"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        f"Error: {faulty}/cat.jpg/below lies inside the photo folder.",
        "Choose an --output outside of it.",
    ]
