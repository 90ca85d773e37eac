"""`loratui lint` and `explain`: data on stdout, talk on stderr, and an exit code that a script can trust."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation import CurationError
from loratui.cli import app


def loratui(*arguments: str | Path) -> Result:
    """Run in this process; an expected failure is raised, as `main` turns it into two sentences."""
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_json_is_all_there_is_on_stdout(dreambooth: Callable[[str], Path], tmp_path: Path) -> None:
    photos = shutil.copytree(dreambooth("backpack"), tmp_path / "backpack")
    result = loratui("lint", photos, "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (report["dataset"], report["photos"], report["verdict"]) == (str(photos), 6, "attention")
    assert {"SET001", "IMG001", "SET002"} <= {finding["code"] for finding in report["findings"]}


@pytest.mark.parametrize(("fail_on", "exit_code"), [("error", 0), ("warning", 1), ("info", 1)])
def test_the_exit_code_follows_fail_on(photos: Path, fail_on: str, exit_code: int) -> None:
    result = loratui("lint", photos, "--fail-on", fail_on)  # small photos: warnings at 1024 px
    assert result.exit_code == exit_code
    assert "Needs attention: 4 photos, 0 errors, 4 warnings" in result.stdout


def test_errors_exit_with_1(photos: Path) -> None:
    shutil.copy(photos / "cat.png", photos / "copy.png")
    result = loratui("lint", photos)
    assert result.exit_code == 1
    assert "error DUP001 exact-duplicate" in result.stdout
    assert "Blocked" in result.stdout


def test_rules_are_left_out(photos: Path) -> None:
    result = loratui("lint", photos, "--ignore", "IMG", "--ignore", "CAP001", "--format", "json")
    assert {finding["code"] for finding in json.loads(result.stdout)["findings"]} == {"SET002"}


def test_a_config_gives_kind_resolution_trigger_column_and_ignored_rules(photos: Path, tmp_path: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "text": "a cat"}\n')
    config = tmp_path / "lora.toml"
    config.write_text(
        f"""
        [data]
        instance_data_dir = "{photos}"
        resolution = 128
        caption_column = "text"
        [concept]
        kind = "style"
        token_abstraction = ["CATTISH"]
        [lint]
        ignore = ["CAP001", "IMG"]
        """
    )
    report = json.loads(loratui("lint", photos, "--config", config, "--format", "json").stdout)
    assert {(f["code"], f["threshold"]) for f in report["findings"]} == {("CAP002", 0), ("SET002", 20)}
    assert "CATTISH" in report["findings"][0]["message"]


def test_fix_reports_the_folder_as_it_is_and_exits_for_the_mended_copy(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "cat.jpg")
    shutil.copy(photos / "coffee.png", photos / "copy.png")

    result = loratui("lint", photos, "--ignore", "IMG", "--fix", "--unsafe-fixes", "--format", "json")

    assert json.loads(result.stdout)["verdict"] == "blocked"
    assert result.exit_code == 0
    copied = sorted(path.name for path in (photos.parent / "photos-fixed").iterdir() if path.suffix)
    assert copied == ["astronaut.png", "cat.png", "coffee.png", "rocket.png"]
    assert "left out copy.png: DUP001" in result.stderr
    assert "mended cat.jpg: FIL002" in result.stderr


def test_fix_with_nothing_to_fix_writes_nothing(photos: Path) -> None:
    result = loratui("lint", photos, "--fix")
    assert "nothing to fix" in result.stderr
    assert not (photos.parent / "photos-fixed").exists()


def test_names_and_captions_cannot_steer_the_terminal(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "[bold]\x1b[31m.png")
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": "rocket.png", "prompt": "\x1b[2J"}))
    result = loratui("lint", photos, "--kind", "person")
    assert "\x1b" not in result.stdout
    assert r"[bold]\x1b[31m.png" in result.stdout


def test_a_folder_that_does_not_exist_is_a_stated_error(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="There is no folder"):
        loratui("lint", tmp_path / "nowhere")


def test_explain_tells_why_a_rule_matters_and_its_thresholds() -> None:
    result = loratui("explain", "img002")
    assert result.stdout.startswith("IMG002 blurred (warning")
    assert "blurred_below = 60" in result.stdout


def test_explain_suggests_the_nearest_rule() -> None:
    with pytest.raises(CurationError, match="Did you mean DUP001"):
        loratui("explain", "DUP01")
