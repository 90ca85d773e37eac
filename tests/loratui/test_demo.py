"""The demo: photos with faults that lint finds, and the whole road from them by commands that anyone can repeat."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from curation.dataset import open_dataset
from curation.lint import TrainingNeeds, lint
from engine.mini.judge import likeness, load_judge
from engine.mini.world import MASCOT
from loratui.photos.demo_photos import FAR_AWAY, write_demo_photos
from tests.loratui.program import COMMAND, PATIENCE_SECONDS, run_loratui

PLANTED = {
    "FIL001": {"truncated.jpg"},
    "FIL003": {"turned-by-exif.jpg"},
    "FIL005": {"cut-out.png"},
    "DUP001": {"beach.jpg", "beach_copy.jpg"},
    "DUP003": {"forest.jpg", "forest_mirrored.jpg"},
    "SET001": {f"same-room-{number}.jpg" for number in range(1, 5)},
    "IMG001": {"too-small.jpg"},
    "IMG002": {"blurred-star.jpg"},
    "FAC003": {"far-away.jpg"},
    "CAP001": {"cut-out.png"},
}
LEARNED = 0.5  # of 1; monsters of the base model's own reach less
GOOD = {"beach.jpg", "forest.jpg", "city.jpg", "yellow-wall.jpg", "green-wall.jpg", "pink-wall.jpg"}
NEEDS = TrainingNeeds(resolution=64, aspect_ratio_buckets=True)  # as the demo trains


@pytest.fixture(scope="module")
def demo_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "photos"
    write_demo_photos(folder)
    return folder


def test_lint_finds_each_planted_fault_where_it_was_planted_and_nowhere_else(demo_photos: Path) -> None:
    report = lint(open_dataset(demo_photos), "character", NEEDS)
    found = {
        code: {name for finding in report.findings if finding.code == code for name in finding.photos}
        for code in {finding.code for finding in report.findings}
    }
    assert found == PLANTED


def test_mended_and_captioned_they_are_ten_photos_without_a_fault(demo_photos: Path, tmp_path: Path) -> None:
    photos, fixed = shutil.copytree(demo_photos, tmp_path / "photos"), tmp_path / "fixed"
    words = ("--kind", "character", "--fix", "--unsafe-fixes", "--output", fixed)
    assert run_loratui("lint", photos, *words).returncode in (0, 1)
    kept = {photo.name for photo in open_dataset(fixed).trainable}
    assert kept == {*GOOD, "same-room-1.jpg", "same-room-2.jpg", "turned-by-exif.jpg", "cut-out.png", FAR_AWAY}
    left = {finding.code for finding in lint(open_dataset(fixed), "character", NEEDS).findings}
    assert left == {"CAP001", "FAC003", "SET002"}  # for a caption and a decision of one's own; few photos


def test_at_the_size_of_real_models_the_good_photos_are_sharp_and_large_enough(demo_photos: Path) -> None:
    findings = lint(open_dataset(demo_photos), "character", TrainingNeeds(resolution=1024)).findings
    assert not {name for finding in findings if finding.code.startswith("IMG") for name in finding.photos} & GOOD


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
        *("init", "lint", "explain", "exclude", "caption", "caption", "caption", "history"),
        *("train", "verify", "generate"),
    ]
    assert "Blocked: 18 photos" in done.stdout and "demo: verified" in done.stdout
    trained = open_dataset(folder / "photos-fixed").trainable
    assert {photo.name for photo in trained} == {
        *GOOD,
        *("same-room-1.jpg", "same-room-2.jpg", "turned-by-exif.jpg", "cut-out.png"),
    }
    assert all(photo.caption and "TOK monster" in photo.caption for photo in trained)
    assert {path.suffix for path in (folder / "runs" / "demo" / "output").iterdir()} == {".safetensors", ".md"}


@pytest.mark.slow
def test_the_sample_pictures_turn_into_the_mascot(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    pictures = [Image.open(path) for path in sorted((demo[0] / "runs" / "demo" / "samples").glob("*.png"))]
    likenesses = [likeness(judgement, MASCOT) for judgement in load_judge().judge(pictures)]
    assert len(pictures) >= 4
    assert likenesses[-1] > max(LEARNED, likenesses[0] + 0.2)


@pytest.mark.slow
def test_the_trigger_word_shows_the_mascot_in_new_places_and_the_base_model_does_not(
    demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, done = demo
    generate = commands_of(done.stdout)[-1]
    run_loratui(*generate[: generate.index("--output")], "--output", tmp_path)
    with Image.open(folder / "contact-sheet.png") as shown, Image.open(tmp_path / "contact-sheet.png") as again:
        assert shown.tobytes() == again.tobytes()
    learned = [Image.open(path) for path in sorted(tmp_path.glob("0*.png"))]
    scores = [likeness(judgement, MASCOT) for judgement in load_judge().judge(learned)]
    assert len(scores) == 4 and sum(score > LEARNED for score in scores) >= 3


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
    assert "truncated" not in done.stdout and "astronaut.png: a photo of TOK\n" in done.stdout
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
