"""Bad input gets two sentences for each problem on stderr and exit code 2, never a traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.loratui.program import run_loratui


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """For each problem two lines: what is wrong, what to do."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith(("Note: ", "Warning: "))]
    for problem, remedy in zip(lines[::2], lines[1::2], strict=True):
        assert problem.startswith("Error: ") and problem.endswith(".") and not remedy.startswith("Error: ")
    for words in said:
        assert words in done.stderr


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for command in (["lint"], ["caption", "list"], ["init"], ["train", "--instance_data_dir"]):
        refused(run_loratui(*command, nowhere), "nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for command in (["lint"], ["init"], ["train", "--instance_data_dir"]):
        refused(run_loratui(*command, empty), "empty")


def test_a_text_file_named_jpg_is_a_finding_of_lint_and_stops_training(photos: Path) -> None:
    (photos / "notes.jpg").write_text("not a photo")
    linted = run_loratui("lint", photos)
    assert linted.returncode == 1 and "notes.jpg" in linted.stdout and "Traceback" not in linted.stderr
    train = ("train", "--instance_data_dir", photos, "--instance_prompt=a TOK", "--pretrained_model_name_or_path=tiny")
    refused(run_loratui(*train), "notes.jpg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lora]\nrank = \n", ["line 2", "rank"]),
        ("[lora]\nrankk = 8\n", ["line 2", "rankk", "'rank'"]),
        ("[data]\ncenter_crop = 'False'\n", ["line 2", "center_crop"]),
    ],
)
def test_a_lora_toml_that_cannot_be_used(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / "lora.toml"
    path.write_text(text)
    for command in ("train", "config show"):
        refused(run_loratui(*command.split(), path), *said)


def test_an_unknown_flag_names_the_nearest(photos: Path) -> None:
    refused(run_loratui("train", "--instance_data_dir", photos, "--rankk=3"), "rankk", "'rank'")


def test_a_model_that_is_not_on_disk_while_offline(photos: Path, tmp_path: Path) -> None:
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    train = ("train", "--instance_data_dir", photos, "--instance_prompt=a TOK")
    refused(run_loratui(*train, env=offline), "stabilityai/stable-diffusion-xl-base-1.0")


def test_a_run_that_does_not_exist(tmp_path: Path) -> None:
    for command in ("attach", "stop", "resume", "verify", "export"):
        refused(run_loratui(command, "none", "--runs-dir", tmp_path), "'none'")


def test_a_folder_in_the_place_of_a_lora_toml(photos: Path) -> None:
    refused(run_loratui("train", photos), "is a folder", f"loratui init {photos}")


def test_a_home_that_nobody_has(tmp_path: Path) -> None:
    refused(run_loratui("train", "--instance_data_dir=~nobody-at-all/photos", cwd=tmp_path), "~nobody-at-all")


def test_a_place_for_runs_that_is_a_file(photos: Path) -> None:
    train = ("train", "--instance_data_dir", photos, "--instance_prompt=a TOK", "--pretrained_model_name_or_path=tiny")
    refused(run_loratui(*train, "--runs-dir", photos / "cat.png"), "cannot be kept", "--runs-dir")


def test_a_name_that_the_terminals_encoding_lacks_is_still_shown(photos: Path) -> None:
    (photos / "caf\u00e9.jpg").write_text("not a photo")
    done = run_loratui("lint", photos, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1 and "caf\\xe9.jpg" in done.stdout


def test_an_unknown_rule() -> None:
    refused(run_loratui("explain", "IMG999"), "IMG")


def test_debug_shows_where_it_happened(tmp_path: Path) -> None:
    assert "Traceback" in run_loratui("--debug", "lint", tmp_path / "nowhere").stderr


def test_a_place_that_cannot_be_written_or_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(run_loratui("init", photos, "--output", tmp_path / "file" / "lora.toml"), "file")
    refused(run_loratui("lint", "a" * 300), "too long")


def test_a_value_without_quotes_and_a_config_after_flags_say_how_it_is_written(photos: Path) -> None:
    refused(run_loratui("train", "--instance_prompt", "a", "photo", "of", "TOK"), "'photo'", "quotes")
    refused(run_loratui("train", "--rank", "16", "lora.toml"), "'lora.toml'", "before")


def test_options_of_lint_that_need_fix(photos: Path, tmp_path: Path) -> None:
    for options in (["--unsafe-fixes"], ["--output", tmp_path / "copy"]):
        done = run_loratui("lint", photos, *options)
        assert done.returncode == 2 and done.stdout == "" and "--fix" in done.stderr
