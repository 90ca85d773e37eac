"""What a set lacks as a whole is found, whatever its photos are like one by one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from curation import Finding, Kind, Report, open_dataset
from curation.lint import Selection, lint

LoadSample = Callable[..., Image.Image]
Lint = Callable[..., Report]
Found = Callable[[Report, str], list[Finding]]


def names(findings: list[Finding]) -> list[tuple[str, ...]]:
    return [finding.photos for finding in findings]


def test_set001_one_place_behind_three_photos(
    dreambooth: Callable[[str], Path], tmp_path: Path, lint_folder: Lint, found: Found
) -> None:
    report = lint_folder(shutil.copytree(dreambooth("backpack"), tmp_path / "set"), resolution=1024)
    assert names(found(report, "SET001")) == [("03.jpg", "04.jpg", "05.jpg")]


@pytest.fixture
def one_table(folder: Path, sample: LoadSample) -> Path:
    """Three subjects before one table, and three photos taken elsewhere."""
    for number, name in enumerate(["astronaut", "cat", "rocket"]):
        scene = sample("coffee", 800)
        scene.paste(sample(name).resize((360, 460)), (120 + 120 * number, 140))
        scene.save(folder / f"table-{number}.png")
        sample(name).save(folder / f"{name}.png")
    return folder


def test_set001_one_place_behind_different_subjects(one_table: Path, lint_folder: Lint, found: Found) -> None:
    tables = ("table-0.png", "table-1.png", "table-2.png")
    assert names(found(lint_folder(one_table), "SET001")) == [tables]


def test_set001_does_not_count_copies_or_judge_styles(one_table: Path, lint_folder: Lint, found: Found) -> None:
    assert not found(lint_folder(one_table, "style"), "SET001")
    (one_table / "table-2.png").unlink()
    shutil.copy(one_table / "table-0.png", one_table / "copy.png")
    ImageOps.mirror(Image.open(one_table / "table-0.png")).save(one_table / "mirrored.png")
    assert not found(lint_folder(one_table), "SET001")


@pytest.mark.parametrize(("kind", "enough"), [("character", 15), ("object", 10), ("style", 20)])
def test_set002_counts_the_usable_photos(
    photos: Path, lint_folder: Lint, found: Found, kind: Kind, enough: int
) -> None:
    (photos / "broken.jpg").write_text("")
    (finding,) = found(lint_folder(photos, kind), "SET002")
    assert (finding.value, finding.threshold, finding.severity) == (4, enough, "info")


def test_set001_says_so_when_a_set_is_too_large_to_compare(one_table: Path) -> None:
    selection = Selection(select=("SET001",), params={"SET001": {"most": 5}})
    report = lint(open_dataset(one_table), selection=selection)
    assert not report.findings
    assert [skipped.code for skipped in report.skipped] == ["SET001"]


@pytest.mark.parametrize(("count", "too_many"), [(50, False), (51, True)])
def test_set003_many_photos_of_an_object(
    folder: Path, lint_folder: Lint, found: Found, count: int, too_many: bool
) -> None:
    for number in range(count):
        Image.effect_noise((40, 30), number + 10).convert("RGB").save(folder / f"{number}.png")
    assert bool(found(lint_folder(folder), "SET003")) == too_many


@pytest.mark.parametrize(("minutes", "one_shooting"), [(20, True), (200, False)])
def test_set007_photos_of_one_afternoon(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, minutes: int, one_shooting: bool
) -> None:
    for number, name in enumerate(("astronaut", "cat", "coffee", "rocket")):
        exif = Image.Exif()
        exif[0x0110] = "A camera"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 {number * minutes // 60:02}:{number * minutes % 60:02}:00"
        sample(name).save(folder / f"{name}.jpg", exif=exif)
    findings = found(lint_folder(folder), "SET007")
    assert names(findings) == ([("astronaut.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg")] if one_shooting else [])
    assert not found(lint_folder(folder, "style"), "SET007")


def test_set008_one_light_and_several(folder: Path, sample: LoadSample, lint_folder: Lint, found: Found) -> None:
    for number, name in enumerate(("astronaut", "coffee", "rocket", "astronaut", "coffee")):
        scene = sample(name, 800)
        scene = ImageOps.flip(scene) if number > 2 else scene
        scene.paste(sample("cat").resize((420, 360)), (190, 120))
        scene.save(folder / f"{number}.png")
    assert found(lint_folder(folder), "SET008")
    for number, light in enumerate((0.3, 0.6, 1.0, 1.4, 1.8)):
        photo = Image.open(folder / f"{number}.png")
        photo.point([min(255, int(value * light)) for value in range(256)] * 3).save(folder / f"{number}.png")
    assert not found(lint_folder(folder), "SET008")


def test_set010_cuts_of_one_photo(photos: Path, folder: Path, lint_folder: Lint, found: Found) -> None:
    assert not found(lint_folder(photos), "SET010")
    coffee = Image.open(photos / "coffee.png")
    for number in range(5):
        coffee.crop((20 * number, 10 * number, 480 + 20 * number, 340 + 10 * number)).save(folder / f"{number}.png")
    assert found(lint_folder(folder), "SET010")
