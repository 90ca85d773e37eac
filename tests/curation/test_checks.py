"""Each rule finds its fault in real photographs, and keeps silent on the ones without it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from curation import CurationError, Finding, Report
from curation.checks import RULES, rule

LoadSample = Callable[..., Image.Image]
Lint = Callable[..., Report]
Found = Callable[[Report, str], list[Finding]]


def names(findings: list[Finding]) -> list[tuple[str, ...]]:
    return [finding.photos for finding in findings]


def test_clean_photos_have_no_error_and_no_warning(photos: Path, lint_folder: Lint) -> None:
    for kind in ("object", "style"):
        report = lint_folder(photos, kind)
        assert report.verdict == "ready", report.findings


def test_fil001_a_file_that_does_not_decode_blocks(photos: Path, lint_folder: Lint, found: Found) -> None:
    whole = (photos / "cat.png").read_bytes()
    (photos / "half.png").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("not a photo")
    report = lint_folder(photos)
    assert names(found(report, "FIL001")) == [("half.png",), ("text.jpg",)]
    assert report.verdict == "blocked"
    assert report.photos == 6


def test_fil002_a_png_called_jpg(photos: Path, lint_folder: Lint, found: Found) -> None:
    (photos / "cat.png").rename(photos / "cat.jpg")
    (finding,) = found(lint_folder(photos), "FIL002")
    assert (finding.photos, finding.value, finding.threshold) == (("cat.jpg",), ".jpg", ".png")


def test_fil003_a_photo_stored_turned(folder: Path, sample: LoadSample, lint_folder: Lint, found: Found) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sample("cat").save(folder / "cat.jpg", exif=exif)
    sample("coffee").save(folder / "coffee.jpg")
    assert names(found(lint_folder(folder), "FIL003")) == [("cat.jpg",)]


@pytest.mark.parametrize("mode", ["LA", "L", "P", "1"])
def test_fil004_pixels_that_are_not_rgb(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, mode: str
) -> None:
    sample("cat").convert(mode).save(folder / "cat.png")
    sample("coffee").save(folder / "coffee.png")
    (finding,) = found(lint_folder(folder), "FIL004")
    assert (finding.photos, finding.value) == (("cat.png",), mode)


@pytest.mark.parametrize(("resolution", "severity"), [(399, None), (400, None), (401, "info"), (600, "warning")])
def test_img001_is_a_warning_far_below_the_resolution_and_a_note_near_it(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, resolution: int, severity: str | None
) -> None:
    sample("coffee").save(folder / "coffee.png")  # 600 x 400
    findings = found(lint_folder(folder, resolution=resolution), "IMG001")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket", "astronaut"])
def test_img002_finds_blur_and_no_blur_in_sharp_photos(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, name: str
) -> None:
    sample(name).save(folder / "sharp.png")
    sample(name).filter(ImageFilter.GaussianBlur(6)).save(folder / "blurred.png")
    warned = [finding for finding in found(lint_folder(folder), "IMG002") if finding.severity == "warning"]
    assert names(warned) == [("blurred.png",)]


def test_img002_a_soft_background_is_not_blur(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    soft = sample("coffee").filter(ImageFilter.GaussianBlur(8))
    soft.paste(sample("coffee").crop((150, 80, 450, 320)), (150, 80))
    soft.save(folder / "bokeh.png")
    assert not found(lint_folder(folder), "IMG002")


def test_img002_is_silent_where_low_resolution_explains_it(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    sample("coffee").resize((60, 40)).save(folder / "small.png")
    report = lint_folder(folder)
    assert names(found(report, "IMG001")) == [("small.png",)]
    assert not found(report, "IMG002")


def test_cap001_is_a_note_when_no_photo_has_a_caption_and_a_warning_when_some_have(
    photos: Path, lint_folder: Lint, found: Found
) -> None:
    assert [finding.severity for finding in found(lint_folder(photos), "CAP001")] == ["info"]
    (photos / "cat.txt").write_text("a cat")
    (photos / "rocket.txt").write_text(" \n")
    (finding,) = found(lint_folder(photos), "CAP001")
    assert (finding.severity, finding.photos) == ("warning", ("astronaut.png", "coffee.png"))
    (empty,) = found(lint_folder(photos), "CAP004")
    assert (empty.severity, empty.photos) == ("warning", ("rocket.png",))


def test_cap001_names_the_columns_that_the_metadata_has(photos: Path, lint_folder: Lint, found: Found) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "text": "a cat"}\n')
    (finding,) = found(lint_folder(photos), "CAP001")
    assert "file_name, text" in finding.message


@pytest.mark.parametrize(
    ("caption", "absent"),
    [("a photo of TOK", False), ("TOK's cat", False), ("a STOKE", True), ("a tok", True), ("TOK2", True)],
)
def test_cap002_wants_the_trigger_as_a_word(
    photos: Path, lint_folder: Lint, found: Found, caption: str, absent: bool
) -> None:
    (photos / "cat.txt").write_text(caption)
    assert bool(found(lint_folder(photos, triggers=("TOK",)), "CAP002")) == absent
    assert not found(lint_folder(photos), "CAP002"), "without a trigger word there is none to miss"


def test_cap003_the_same_caption_twice(photos: Path, lint_folder: Lint, found: Found) -> None:
    for name, caption in {"cat": "a photo", "rocket": "a photo ", "coffee": "a cup"}.items():
        (photos / f"{name}.txt").write_text(caption)
    assert names(found(lint_folder(photos), "CAP003")) == [("cat.png", "rocket.png")]


def test_every_rule_is_found_by_its_code_and_explains_itself() -> None:
    for code, known in RULES.items():
        assert rule(code.lower()) is known
        assert known.explanation.endswith(".")
        assert known.kinds


@pytest.mark.parametrize("code", RULES)
def test_every_threshold_is_told_by_its_name(code: str) -> None:
    untold = [name for name in RULES[code].params if f"`{name}`" not in RULES[code].explanation]
    assert not untold


def test_an_unknown_rule_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(CurationError) as refused:
        rule("DUP01")
    assert refused.value.remedy == "Did you mean DUP001?"
