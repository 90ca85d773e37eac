"""IMG rules: each finds its fault in real photographs, and keeps silent on the ones without it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from curation import Finding, Report, open_dataset
from curation.lint import Selection, TrainingNeeds, lint

LoadSample = Callable[..., Image.Image]
Lint = Callable[..., Report]
Found = Callable[[Report, str], list[Finding]]
Plant = Callable[[Image.Image], Image.Image]

SAMPLES = ("astronaut", "cat", "coffee", "rocket")
RESAMPLING = Image.Resampling


def photos_of(findings: list[Finding], severity: str | None = None) -> set[str]:
    return {name for finding in findings if severity in (None, finding.severity) for name in finding.photos}


@pytest.fixture
def plant(folder: Path, sample: LoadSample) -> Callable[[str, Plant], Path]:
    """The photograph as it is, `clean.png`, and with a fault, `fault.png`."""

    def both(name: str, fault: Plant) -> Path:
        sample(name).save(folder / "clean.png")
        fault(sample(name)).save(folder / "fault.png")
        return folder

    return both


@pytest.mark.parametrize("name", ["backpack", "dog", "red_cartoon"])
def test_no_warning_but_low_resolution_on_photos_as_taken(
    dreambooth: Callable[[str], Path], tmp_path: Path, lint_folder: Lint, name: str
) -> None:
    report = lint_folder(shutil.copytree(dreambooth(name), tmp_path / "set"), resolution=1024)
    judged = [finding for finding in report.findings if finding.code.startswith(("FIL", "IMG"))]
    assert {finding.code for finding in judged if finding.severity != "info"} <= {"IMG001"}


def test_img002_a_note_where_a_photo_is_softer_than_its_set(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    softer = sample("coffee").filter(ImageFilter.GaussianBlur(0.5))
    softer.save(folder / "softer.png")
    assert not found(lint_folder(folder, resolution=64), "IMG002")
    for name in ("coffee", "rocket"):
        sample(name).save(folder / f"{name}.png")
    (finding,) = found(lint_folder(folder, resolution=64), "IMG002")
    assert (finding.severity, finding.photos) == ("info", ("softer.png",))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("times", [2, 4])
def test_img003_a_photo_that_was_enlarged(
    plant: Callable[[str, Plant], Path], lint_folder: Lint, found: Found, name: str, times: int
) -> None:
    def enlarged(image: Image.Image) -> Image.Image:
        small = image.resize((image.width // times, image.height // times), RESAMPLING.LANCZOS)
        return small.resize(image.size, RESAMPLING.BICUBIC)

    report = lint_folder(plant(name, enlarged), resolution=300)
    assert photos_of(found(report, "IMG003")) == {"fault.png"}
    assert "fault.png" not in photos_of(found(report, "IMG002")), "enlarging explains the softness"


def test_img002_names_an_enlarged_photo_where_img003_is_not_applied(
    plant: Callable[[str, Plant], Path], found: Found
) -> None:
    def enlarged(image: Image.Image) -> Image.Image:
        return image.resize((image.width // 4, image.height // 4)).resize(image.size, RESAMPLING.BICUBIC)

    report = lint(open_dataset(plant("coffee", enlarged)), needs=TrainingNeeds(300), selection=Selection(("IMG002",)))
    assert "fault.png" in photos_of(found(report, "IMG002"))


def test_img003_is_silent_where_training_reduces_the_photo_anyway(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    sample("coffee").resize((1200, 800), RESAMPLING.BICUBIC).save(folder / "enlarged.png")  # the detail of 400 pixels
    assert not found(lint_folder(folder, resolution=400), "IMG003")
    (finding,) = found(lint_folder(folder, resolution=401), "IMG003")
    assert (finding.value, finding.threshold) == (400, 401)


def test_with_buckets_the_area_counts_instead_of_the_shorter_side(folder: Path, sample: LoadSample) -> None:
    sample("coffee").resize((1200, 300), RESAMPLING.BICUBIC).save(folder / "enlarged.png")  # as many as 600 x 600

    def found(resolution: int, aspect_ratio_buckets: bool = False) -> dict[str, tuple[object, object]]:
        needs = TrainingNeeds(resolution, aspect_ratio_buckets=aspect_ratio_buckets)
        report = lint(open_dataset(folder), needs=needs, selection=Selection(("IMG001", "IMG003")))
        return {finding.code: (finding.value, finding.threshold) for finding in report.findings}

    assert found(600) == {"IMG001": (300, 600)}
    assert found(600, aspect_ratio_buckets=True) == {}
    assert found(601, aspect_ratio_buckets=True) == {"IMG001": (600, 601)}


def test_img003_is_the_same_for_a_large_jpeg_and_a_large_png(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    large = sample("coffee").resize((3600, 2400), RESAMPLING.BICUBIC)
    large.save(folder / "large.png")
    large.save(folder / "large.jpg", quality=95)
    findings = found(lint_folder(folder, resolution=1024), "IMG003")
    assert {finding.photos[0]: finding.value for finding in findings} == {"large.jpg": 300, "large.png": 300}


def _moved(pixels: int, degrees: float) -> Plant:
    kernel = np.zeros((pixels, pixels), np.float32)
    middle = (pixels - 1) / 2
    for along in np.linspace(-middle, middle, 4 * pixels):
        x, y = middle + along * np.cos(np.deg2rad(degrees)), middle + along * np.sin(np.deg2rad(degrees))
        kernel[round(y), round(x)] = 1
    return lambda image: Image.fromarray(cv2.filter2D(np.asarray(image), -1, kernel / kernel.sum()))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("degrees", [0, 90])
def test_img004_a_photo_smeared_along_one_direction(
    plant: Callable[[str, Plant], Path], lint_folder: Lint, found: Found, name: str, degrees: int
) -> None:
    report = lint_folder(plant(name, _moved(21, degrees)))
    assert photos_of(found(report, "IMG004")) == {"fault.png"}
    assert "fault.png" not in photos_of(found(report, "IMG002")), "motion explains the softness"


@pytest.mark.parametrize("name", SAMPLES)
def test_img004_a_wrong_focus_is_no_motion(
    plant: Callable[[str, Plant], Path], lint_folder: Lint, found: Found, name: str
) -> None:
    report = lint_folder(plant(name, lambda image: image.filter(ImageFilter.GaussianBlur(4))))
    assert not found(report, "IMG004")
    assert photos_of(found(report, "IMG002"), "warning") == {"fault.png"}


def _exposed(stops: float) -> Plant:
    table = [round(min(1.0, (value / 255) ** 2.2 * 2**stops) ** (1 / 2.2) * 255) for value in range(256)]
    return lambda image: image.point(table * 3)


@pytest.mark.parametrize("name", SAMPLES)
def test_img005_a_photo_that_is_far_too_dark(
    plant: Callable[[str, Plant], Path], lint_folder: Lint, found: Found, name: str
) -> None:
    folder = plant(name, _exposed(-4))
    assert photos_of(found(lint_folder(folder), "IMG005"), "warning") == {"fault.png"}
    assert not found(lint_folder(folder, "style"), "IMG005")


def test_img005_a_photo_that_is_burnt_out_and_a_drawing_on_white_that_is_not(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    _exposed(3)(sample("cat")).save(folder / "burnt.png")
    drawing = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(drawing).ellipse((200, 100, 400, 300), "darkred", "black", 6)
    drawing.save(folder / "drawing.png")
    assert photos_of(found(lint_folder(folder), "IMG005")) == {"burnt.png"}


def test_img006_a_frame_with_nothing_in_it(photos: Path, lint_folder: Lint, found: Found) -> None:
    noise = np.random.default_rng(0).normal(20, 4, (400, 600, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noise).save(photos / "lens-cap.png")
    dot = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(dot).ellipse((280, 180, 320, 220), "black")
    dot.save(photos / "dot.png")
    findings = found(lint_folder(photos), "IMG006")
    assert (photos_of(findings, "warning"), photos_of(findings, "info")) == ({"lens-cap.png"}, {"dot.png"})


def _barred(image: Image.Image, colour: str, left: int, top: int, right: int, bottom: int) -> Image.Image:
    framed = Image.new("RGB", (image.width + left + right, image.height + top + bottom), colour)
    framed.paste(image, (left, top))
    return framed


@pytest.mark.parametrize("colour", ["black", "white", "steelblue"])
@pytest.mark.parametrize("sides", [(0, 40, 0, 40), (30, 0, 60, 0), (25, 25, 25, 25)])
@pytest.mark.parametrize("quality", [60, 95])
def test_img007_bars_around_the_picture_with_the_picture_marked(
    folder: Path,
    sample: LoadSample,
    lint_folder: Lint,
    found: Found,
    colour: str,
    sides: tuple[int, int, int, int],
    quality: int,
) -> None:
    image = sample("cat")
    _barred(image, colour, *sides).save(folder / "barred.jpg", quality=quality)
    image.save(folder / "clean.jpg", quality=quality)
    (finding,) = found(lint_folder(folder), "IMG007")
    (region,) = finding.regions
    width, height = image.width + sides[0] + sides[2], image.height + sides[1] + sides[3]
    inner = (sides[0] / width, sides[1] / height, image.width / width, image.height / height)
    assert finding.photos == ("barred.jpg",)
    assert (region.left, region.top, region.width, region.height) == pytest.approx(inner, abs=0.015)


def test_img007_one_bar_alone_must_be_certain(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    _barred(sample("cat"), "black", 0, 0, 0, 40).save(folder / "black.png")
    _barred(sample("cat"), "white", 0, 40, 0, 0).save(folder / "sky.png")
    assert photos_of(found(lint_folder(folder), "IMG007")) == {"black.png"}


def test_img007_a_plain_backdrop_is_no_border(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    studio = Image.new("RGB", (600, 600), "white")
    ImageDraw.Draw(studio).ellipse((150, 120, 450, 480), "darkgreen")
    studio.save(folder / "studio.png")
    gradient = np.linspace(250, 120, 600)[:, None, None] * np.ones((1, 600, 3))
    shaded = Image.fromarray(gradient.astype(np.uint8))
    shaded.paste(sample("cat").resize((240, 160)), (180, 260))
    shaded.save(folder / "shaded.png")
    assert not found(lint_folder(folder), "IMG007")


def test_img007_finds_the_bars_of_real_photos_and_no_others(
    dreambooth: Callable[[str], Path], tmp_path: Path, lint_folder: Lint, found: Found
) -> None:
    report = lint_folder(shutil.copytree(dreambooth("cat2"), tmp_path / "set"), resolution=1024)
    assert photos_of(found(report, "IMG007")) == {"00.jpg", "01.jpg", "04.jpg"}


@pytest.mark.parametrize(("quality", "severity"), [(40, "warning"), (60, "info"), (70, None), (90, None)])
def test_img008_a_jpeg_compressed_hard(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, quality: int, severity: str | None
) -> None:
    sample("cat").save(folder / "cat.jpg", quality=quality)
    sample("coffee").save(folder / "coffee.png")
    findings = found(lint_folder(folder), "IMG008")
    assert [(finding.severity, finding.value) for finding in findings] == ([(severity, quality)] if severity else [])


@pytest.mark.parametrize(("size", "severity"), [((600, 300), None), ((600, 260), "info"), ((150, 500), "warning")])
def test_img009_a_photo_of_which_a_square_is_little(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, size: tuple[int, int], severity: str | None
) -> None:
    sample("coffee").resize(size).save(folder / "long.png")
    findings = found(lint_folder(folder, resolution=100), "IMG009")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


@pytest.mark.parametrize("size", [(5000, 1), (1, 3000), (3, 3), (1, 1)])
def test_pictures_thinner_than_a_tile_have_no_detail_to_judge(
    folder: Path, lint_folder: Lint, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, "red").save(folder / "thin.png")
    assert "IMG001" in {finding.code for finding in lint_folder(folder).findings}
