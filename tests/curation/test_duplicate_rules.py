"""Copies of a photo are found in every disguise, and photos that are merely alike are not copies."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from curation import Finding, Report

LoadSample = Callable[..., Image.Image]
Lint = Callable[..., Report]
Found = Callable[[Report, str], list[Finding]]


def names(findings: list[Finding]) -> list[tuple[str, ...]]:
    return [finding.photos for finding in findings]


def test_dup001_the_same_pixels_under_another_name_and_format(photos: Path, lint_folder: Lint, found: Found) -> None:
    shutil.copy(photos / "cat.png", photos / "copy.png")
    Image.open(photos / "cat.png").save(photos / "zebra.bmp")
    report = lint_folder(photos)
    assert names(found(report, "DUP001")) == [("cat.png", "copy.png", "zebra.bmp")]
    assert report.verdict == "blocked"
    assert not found(report, "DUP002")


@pytest.mark.parametrize("change", ["compressed", "shrunk", "cropped", "darkened"])
def test_dup002_versions_of_one_photo(photos: Path, lint_folder: Lint, found: Found, change: str) -> None:
    for path in list(photos.iterdir()):
        image = Image.open(path)
        width, height = image.size
        if change == "shrunk":
            image = image.resize((width // 2, height // 2))
        if change == "cropped":
            image = image.crop((width // 50, height // 50, width, height))
        if change == "darkened":
            image = image.point([value * 7 // 10 for value in range(256)] * 3)
        image.save(path.with_suffix(".jpg"), quality=40)
    pairs = [{f"{name}.png", f"{name}.jpg"} for name in ("astronaut", "cat", "coffee", "rocket")]
    assert [set(group) for group in names(found(lint_folder(photos), "DUP002"))] == pairs


def test_dup003_a_flipped_photo(photos: Path, lint_folder: Lint, found: Found) -> None:
    for path in list(photos.iterdir()):
        ImageOps.mirror(Image.open(path)).save(path.with_suffix(".jpg"), quality=80)
    report = lint_folder(photos)
    pairs = [{f"{name}.png", f"{name}.jpg"} for name in ("astronaut", "cat", "coffee", "rocket")]
    assert [set(group) for group in names(found(report, "DUP003"))] == pairs
    assert not found(report, "DUP002")


def test_dup003_finds_the_flipped_dog_and_nothing_else_in_that_set(
    dreambooth: Callable[[str], Path], tmp_path: Path, lint_folder: Lint
) -> None:
    dogs = shutil.copytree(dreambooth("dog5"), tmp_path / "dogs")
    report = lint_folder(dogs, resolution=1024)
    worse = [(finding.code, finding.photos) for finding in report.findings if finding.severity != "info"]
    assert worse == [("DUP003", ("02.jpg", "03.jpg"))]


@pytest.mark.parametrize("name", ["backpack", "can", "cat2", "colorful_sneaker", "dog", "red_cartoon"])
def test_no_copy_is_seen_in_sets_without_one(
    dreambooth: Callable[[str], Path], tmp_path: Path, lint_folder: Lint, name: str
) -> None:
    report = lint_folder(shutil.copytree(dreambooth(name), tmp_path / "set"), resolution=1024)
    assert not [finding for finding in report.findings if finding.code.startswith("DUP")]
    assert report.verdict != "blocked"


def test_dup001_one_picture_in_two_formats_when_one_of_them_is_decoded_at_half_its_size(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    sample("coffee", 2800).save(folder / "large.jpg", quality=90)
    Image.open(folder / "large.jpg").save(folder / "same.png")
    sample("coffee", 2800).save(folder / "other.jpg", quality=89)
    report = lint_folder(folder)
    assert names(found(report, "DUP001")) == [("large.jpg", "same.png")]
    assert names(found(report, "DUP002")) == [("large.jpg", "other.jpg")]


def test_dup001_one_picture_stored_upright_and_turned(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    cat = sample("cat")
    cat.save(folder / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    cat.rotate(90, expand=True).save(folder / "turned.png", exif=exif)
    assert names(found(lint_folder(folder), "DUP001")) == [("turned.png", "upright.png")]


@pytest.mark.parametrize("cut", [0.1, 0.2, 0.3, 0.4])
def test_dup004_a_crop(photos: Path, lint_folder: Lint, found: Found, cut: float) -> None:
    for path in list(photos.iterdir()):
        photo = Image.open(path)
        width, height = photo.size
        left, top = int(width * cut * 0.3), int(height * cut * 0.9)
        crop = photo.crop((left, top, left + int(width * (1 - cut)), top + int(height * (1 - cut))))
        crop.save(path.with_suffix(".jpg"), quality=75)
    report = lint_folder(photos)
    copies = found(report, "DUP002") + found(report, "DUP004")
    assert {frozenset(finding.photos) for finding in copies} == {
        frozenset({f"{name}.png", f"{name}.jpg"}) for name in ("astronaut", "cat", "coffee", "rocket")
    }


@pytest.mark.parametrize("shift", [0.1, 0.2, 0.3])
def test_dup004_two_cuts_of_one_picture_side_by_side(
    photos: Path, lint_folder: Lint, found: Found, shift: float
) -> None:
    for path in list(photos.iterdir()):
        photo = Image.open(path)
        width, height = photo.size
        photo.crop((int(width * shift), 0, width, height)).save(path.with_suffix(".jpg"), quality=75)
        photo.crop((0, 0, int(width * (1 - shift)), height)).save(path)
    findings = found(lint_folder(photos), "DUP004")
    assert {frozenset(finding.photos) for finding in findings} == {
        frozenset({f"{name}.png", f"{name}.jpg"}) for name in ("astronaut", "cat", "coffee", "rocket")
    }
    shared = (1 - 2 * shift) / (1 - shift)
    assert all(region.width == pytest.approx(shared, abs=0.02) for one in findings for region in one.regions)


def test_dup004_cuts_of_one_photo_are_one_finding_that_keeps_the_largest(
    photos: Path, lint_folder: Lint, found: Found
) -> None:
    photo = Image.open(photos / "cat.png")
    width, height = photo.size
    photo.crop((0, 0, width * 3 // 4, height * 3 // 4)).save(photos / "cut-1.png")
    photo.crop((width // 4, height // 4, width, height)).save(photos / "cut-2.png")
    shutil.copy(photos / "cat.png", photos / "same.png")
    (finding,) = found(lint_folder(photos), "DUP004")
    assert (finding.photos[0], set(finding.photos)) == ("cat.png", {"cat.png", "cut-1.png", "cut-2.png"})
    assert {region.photo for region in finding.regions} <= set(finding.photos)


def test_dup004_three_equal_files_are_duplicates_and_no_shifted_copies(
    photos: Path, lint_folder: Lint, found: Found
) -> None:
    for name in ("one", "two", "three"):
        shutil.copy(photos / "cat.png", photos / f"{name}.png")
    report = lint_folder(photos)
    assert [len(group) for group in names(found(report, "DUP001"))] == [4]
    assert not found(report, "DUP004")


def test_dup004_one_subject_before_one_background_in_two_poses_is_not_a_shifted_copy(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    for number, place in enumerate([(20, 60), (300, 120)]):
        scene = sample("coffee", 800)
        scene.paste(sample("cat"), place)
        scene.save(folder / f"{number}.png")
    assert not found(lint_folder(folder), "DUP004")


def test_pairs_are_aligned_once(photos: Path, lint_folder: Lint) -> None:
    Image.open(photos / "cat.png").crop((0, 0, 330, 240)).save(photos / "crop.png")
    first = lint_folder(photos)
    stored = (photos / ".loratui" / "copies.jsonl").read_bytes()
    assert lint_folder(photos) == first
    assert (photos / ".loratui" / "copies.jsonl").read_bytes() == stored != b""


@pytest.mark.parametrize("spoiled", [b"{", b"[]", b'{"version": 1, "files": ["a"]}', b"\0\xff"])
def test_spoiled_lines_about_pairs_are_measured_anew(photos: Path, lint_folder: Lint, spoiled: bytes) -> None:
    Image.open(photos / "cat.png").crop((0, 0, 330, 240)).save(photos / "crop.png")
    first = lint_folder(photos)
    (photos / ".loratui" / "copies.jsonl").write_bytes(spoiled)
    assert lint_folder(photos) == first


@pytest.mark.parametrize(("seconds", "is_burst"), [(2, True), (60, False)])
def test_dup005_moments_of_one_burst(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, seconds: int, is_burst: bool
) -> None:
    cat = sample("cat")
    for number, left in enumerate((0, 30)):
        exif = Image.Exif()
        exif[0x0110] = "A camera"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:{number * seconds // 60:02}:{number * seconds % 60:02}"
        cat.crop((left, 0, left + 400, 300)).save(folder / f"{number}.jpg", exif=exif)
    findings = found(lint_folder(folder), "DUP005")
    assert names(findings) == ([("0.jpg", "1.jpg")] if is_burst else [])
