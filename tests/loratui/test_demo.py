"""The demo: photos with faults that lint finds, and the whole road from them by commands that anyone can repeat."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from curation.dataset import open_dataset
from curation.lint import TrainingNeeds, lint
from loratui.demo_photos import write_demo_photos
from tests.loratui.program import COMMAND, PATIENCE_SECONDS, run_loratui

PLANTED = {
    # Crops of the portrait, as nearly all good photos here: the sample pictures hold one person once.
    "DUP004": {"turned-by-exif.jpg", "face.jpg", "portrait.jpg"},
    "FAC005": {"far-away.jpg"},
    "FIL001": {"truncated.jpg"},
    "FIL003": {"turned-by-exif.jpg"},
    "FIL005": {"transparent.png"},
    "DUP001": {"portrait.jpg", "portrait_copy.jpg"},
    "DUP003": {"portrait.jpg", "portrait_mirrored.jpg"},
    "SET001": {f"same-table-{number}.jpg" for number in range(1, 5)},
    "IMG001": {"too-small.jpg"},
    "IMG002": {"blurred-cat.jpg"},
    "FAC002": {"blurred-cat.jpg", "too-small.jpg"},
    "FAC003": {"far-away.jpg"},
}
NOTES_ON_ALL = {"CAP001", "SET002", "FAC009"}  # no captions, few photos, faces that the square crop may cut


@pytest.fixture(scope="module")
def demo_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "photos"
    write_demo_photos(folder)
    return folder


def test_lint_finds_each_planted_fault_where_it_was_planted_and_nowhere_else(demo_photos: Path) -> None:
    report = lint(open_dataset(demo_photos), "person", TrainingNeeds(resolution=64))
    found = {
        code: {name for finding in report.findings if finding.code == code for name in finding.photos}
        for code in {finding.code for finding in report.findings} - NOTES_ON_ALL
    }
    assert found == PLANTED


def test_the_photos_are_the_same_every_time(demo_photos: Path, tmp_path: Path) -> None:
    write_demo_photos(tmp_path)
    first = {path.name: path.read_bytes() for path in demo_photos.iterdir() if path.is_file()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    done = run_loratui("demo", "--output", tmp_path)
    assert done.returncode == 2 and "not an empty folder" in done.stderr and "--output" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def commands_of(printed: str) -> list[list[str]]:
    """The commands that the demo printed, each without its `loratui`."""
    return [shlex.split(line)[2:] for line in printed.splitlines() if line.startswith("$ loratui ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("road") / "demo"
    return folder, run_loratui("demo", "--output", folder)


@pytest.mark.slow
def test_the_demo_goes_the_whole_road(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = demo
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert [words[0] for words in commands_of(done.stdout)] == [
        *("init", "lint", "explain", "caption", "caption", "caption", "history", "train", "verify", "generate")
    ]
    assert "Blocked: 14 photos" in done.stdout and "demo: verified" in done.stdout
    fixed = open_dataset(folder / "photos-fixed")
    assert {photo.name for photo in fixed.trainable} == {
        *("same-table-1.jpg", "same-table-2.jpg", "transparent.png"),
        "turned-by-exif.jpg",  # of the portrait's three cuts the largest
        "far-away.jpg",  # cropped to the subject
    }
    assert all(photo.caption and "TOK" in photo.caption for photo in fixed.trainable)
    assert {path.suffix for path in (folder / "runs" / "demo" / "output").iterdir()} == {".safetensors", ".md"}
    with Image.open(folder / "contact-sheet.png") as sheet:
        assert len(sheet.convert("RGB").getcolors(maxcolors=sheet.width * sheet.height) or []) > 100


@pytest.mark.slow
def test_the_printed_commands_typed_by_hand_give_the_same_lora(
    demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, done = demo
    by_hand = tmp_path / "by-hand"
    write_demo_photos(by_hand / "photos")
    for words in commands_of(done.stdout):
        typed = run_loratui(*[word.replace(str(folder), str(by_hand)) for word in words])
        assert typed.returncode == 0, typed.stderr
    lora = Path("runs") / "demo" / "output" / "demo.safetensors"
    assert (by_hand / lora).read_bytes() == (folder / lora).read_bytes()
    assert (by_hand / "contact-sheet.png").read_bytes() == (folder / "contact-sheet.png").read_bytes()


@pytest.mark.slow
def test_other_photos_give_other_results(
    demo: tuple[Path, subprocess.CompletedProcess[str]], photos: Path, tmp_path: Path
) -> None:
    """Clean photos, so nothing is mended and the copies themselves are trained on; the givers stay as they were."""
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    folder, done = tmp_path / "other", run_loratui("demo", "--output", tmp_path / "other", "--photos", photos)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "truncated" not in done.stdout and "astronaut.png: a photo of TOK" in done.stdout
    lora = Path("runs") / "demo" / "output" / "demo.safetensors"
    assert (folder / lora).read_bytes() != (demo[0] / lora).read_bytes()
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == before


def test_a_command_that_fails_ends_the_demo_with_its_exit_code_and_its_name(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "notes.jpg").write_text("not a photo")
    done = run_loratui("demo", "--output", tmp_path / "demo", "--photos", photos)
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.search(r"The demo ends here: `loratui lint .*` returned exit code 2\.\n$", done.stderr)
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_demo_and_its_command(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*COMMAND, "demo", "--output", tmp_path / "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("$ loratui lint"):
            break
    os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to the demo and to the command that it runs
    printed, said = demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 130
    assert "The demo ends here: interrupted." in said
    assert "$ loratui" not in printed
