"""Fixes mend a copy and leave photos out; no original ever changes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from curation import CurationError, Dataset, open_dataset
from curation.fixes import Fix, apply_fixes, plan_fixes
from curation.lint import TrainingNeeds, lint
from curation.photo import load_rgb

LoadSample = Callable[..., Image.Image]


def plan(dataset: Dataset, unsafe: bool = False) -> tuple[Fix, ...]:
    return plan_fixes(dataset, lint(dataset, needs=TrainingNeeds(256)), unsafe)


def actions(fixes: tuple[Fix, ...]) -> dict[str, tuple[str, str]]:
    return {fix.photo: (fix.code, fix.action) for fix in fixes}


def with_gps(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (47.0, 22.0, 11.0)
    return exif


@pytest.fixture
def faulty(folder: Path, sample: LoadSample) -> Path:
    """A good photo and one with each fault that can be fixed; captions in every place they can be."""
    sample("coffee").save(folder / "good.jpg", exif=with_gps(), quality=90)
    sample("cat").save(folder / "turned.jpg", exif=with_gps(6))
    sample("astronaut").convert("RGBA").save(folder / "alpha.png")
    sample("rocket").save(folder / "wrong.png", "JPEG", exif=with_gps())
    sample("rocket").resize((60, 40)).crop((0, 0, 40, 40)).save(folder / "small.png", exif=with_gps())
    shutil.copy(folder / "good.jpg", folder / "good-copy.jpg")
    (folder / "broken.jpg").write_bytes((folder / "good.jpg").read_bytes()[:3000])
    (folder / "metadata.jsonl").write_text('{"licence": "CC0", "file_name": "wrong.png", "prompt": "a rocket"}\n')
    (folder / "turned.txt").write_text("a cat\n")
    return folder


def test_safe_fixes_are_planned_for_each_fault_that_loses_no_photo(faulty: Path) -> None:
    assert actions(plan(open_dataset(faulty))) == {
        "alpha.png": ("FIL004", "rewrite"),
        "broken.jpg": ("FIL001", "omit"),
        "turned.jpg": ("FIL003", "rewrite"),
        "wrong.png": ("FIL002", "rewrite"),
    }


def test_unsafe_fixes_leave_out_bad_photos_and_later_copies(faulty: Path) -> None:
    planned = actions(plan(open_dataset(faulty), unsafe=True))
    assert {name: code for name, (code, action) in planned.items() if action == "exclude"} == {
        "broken.jpg": "FIL001",
        "good.jpg": "DUP001",
        "small.png": "IMG001",
    }


def test_a_photo_that_is_bad_in_itself_is_not_the_copy_that_stays(folder: Path, sample: LoadSample) -> None:
    sample("coffee").save(folder / "sharp.png")
    sample("coffee").resize((900, 600)).filter(ImageFilter.GaussianBlur(8)).save(folder / "larger-but-blurred.png")
    planned = plan(open_dataset(folder), unsafe=True)
    assert actions(planned) == {"larger-but-blurred.png": ("IMG002", "exclude")}


def test_the_copy_is_mended_and_the_originals_are_untouched(faulty: Path) -> None:
    before = {path: path.read_bytes() for path in faulty.iterdir()}
    dataset = open_dataset(faulty)

    mended = apply_fixes(dataset, plan(dataset))

    assert mended.root == faulty.parent / "set-fixed"
    names = [photo.name for photo in mended.photos]
    assert names == ["alpha.png", "good-copy.jpg", "good.jpg", "small.png", "turned.jpg", "wrong.jpg"]
    report = lint(mended, needs=TrainingNeeds(256))
    assert not [finding for finding in report.findings if finding.code.startswith("FIL")]
    assert load_rgb(mended.root / "turned.jpg").size == load_rgb(faulty / "turned.jpg").size
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_photo_without_faults_keeps_every_pixel(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = apply_fixes(dataset, plan(dataset))
    for name in ("good.jpg", "small.png"):
        before, after = load_rgb(faulty / name), load_rgb(mended.root / name)
        assert np.array_equal(np.asarray(before), np.asarray(after))


def test_no_copy_says_where_a_photo_was_taken(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = apply_fixes(dataset, plan(dataset))
    assert Image.open(faulty / "good.jpg").getexif().get_ifd(0x8825), "the originals say it"
    for photo in mended.photos:
        assert not dict(Image.open(photo.path).getexif())


def test_captions_go_with_the_photos_under_their_new_names(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = apply_fixes(dataset, plan(dataset))
    rows = [json.loads(line) for line in (mended.root / "metadata.jsonl").read_text().splitlines()]
    assert rows == [
        {"prompt": "a cat", "file_name": "turned.jpg"},
        {"licence": "CC0", "file_name": "wrong.jpg", "prompt": "a rocket"},
    ]


def test_unsafe_fixes_are_recorded_as_exclusions_with_their_reason(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = apply_fixes(dataset, plan(dataset, unsafe=True))
    assert [photo.name for photo in mended.photos] == ["alpha.png", "good-copy.jpg", "turned.jpg", "wrong.jpg"]
    reasons = {photo.name: photo.excluded for photo in open_dataset(faulty).photos if photo.excluded}
    assert set(reasons) == {"broken.jpg", "good.jpg", "small.png"}
    assert reasons["good.jpg"] == "DUP001: The same photo 2 times, byte for byte."


def test_a_photo_stored_turned_is_never_copied_lying(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    omissions = tuple(fix for fix in plan(dataset) if fix.action == "omit")
    mended = apply_fixes(dataset, omissions, faulty.parent / "copy")
    assert load_rgb(mended.root / "turned.jpg").size == load_rgb(faulty / "turned.jpg").size


def test_photos_in_subfolders_keep_their_place_and_names_never_clash(folder: Path, sample: LoadSample) -> None:
    (folder / "sub").mkdir()
    sample("cat").save(folder / "sub" / "a.jpg", "PNG")
    sample("coffee").save(folder / "sub" / "a.png")
    dataset = open_dataset(folder)
    mended = apply_fixes(dataset, plan(dataset))
    assert [photo.name for photo in mended.photos] == ["sub/a-2.png", "sub/a.png"]


def test_without_anything_to_fix_nothing_is_written(photos: Path) -> None:
    dataset = open_dataset(photos)
    assert apply_fixes(dataset, plan(dataset)) is dataset
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_a_folder_that_holds_something_is_never_overwritten(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset, unsafe=True)
    mended = apply_fixes(dataset, fixes)
    (mended.root / "metadata.jsonl").write_text("my captions")
    with pytest.raises(CurationError, match="exists already"):
        apply_fixes(dataset, fixes)
    assert (mended.root / "metadata.jsonl").read_text() == "my captions"


def test_a_refused_fix_excludes_nothing(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    with pytest.raises(CurationError, match="inside the photo folder"):
        apply_fixes(dataset, plan(dataset, unsafe=True), faulty / "mended")
    assert open_dataset(faulty) == dataset


def test_fixes_that_would_leave_nothing_are_refused(photos: Path) -> None:
    dataset = open_dataset(photos)
    fixes = plan_fixes(dataset, lint(dataset, needs=TrainingNeeds(2048)), unsafe=True)
    with pytest.raises(CurationError, match="no photo"):
        apply_fixes(dataset, fixes)
    assert open_dataset(photos) == dataset


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_means_nothing_asks_for_no_fix(folder: Path, sample: LoadSample, orientation: int) -> None:
    sample("cat").save(folder / "cat.jpg", exif=with_gps(orientation))
    dataset = open_dataset(folder)
    assert plan(dataset) == ()
    copy = apply_fixes(dataset, (), folder.parent / "copy")
    assert np.array_equal(np.asarray(load_rgb(folder / "cat.jpg")), np.asarray(load_rgb(copy.root / "cat.jpg")))


def test_a_jpeg_with_stray_bytes_that_decoders_skip_is_copied(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "cat.jpg", exif=with_gps())
    content = (folder / "cat.jpg").read_bytes()
    (folder / "cat.jpg").write_bytes(content[:20] + b"\0\0\0" + content[20:])  # after the JFIF segment

    copy = apply_fixes(open_dataset(folder), (), folder.parent / "copy")

    assert load_rgb(copy.root / "cat.jpg").size == sample("cat").size
    assert not dict(Image.open(copy.root / "cat.jpg").getexif())


@pytest.mark.parametrize("place", ["private chunk", "after the image", "after the end", "app14"])
def test_no_corner_of_a_file_goes_into_the_copy(folder: Path, sample: LoadSample, place: str) -> None:
    info = PngInfo()
    if place in ("private chunk", "after the image"):
        info.add(b"caBX", b"taken at home", after_idat=place == "after the image")
    sample("cat").save(folder / "cat.png", pnginfo=info)
    sample("coffee").save(folder / "coffee.webp", lossless=True)
    sample("rocket").save(folder / "rocket.jpg")
    if place == "after the end":
        for path in folder.iterdir():
            path.write_bytes(path.read_bytes() + b"taken at home")
    if place == "app14":
        content = (folder / "rocket.jpg").read_bytes()
        (folder / "rocket.jpg").write_bytes(content[:2] + b"\xff\xee\x00\x0ftaken at home" + content[2:])
    assert any(b"taken at home" in path.read_bytes() for path in folder.iterdir())

    copy = apply_fixes(open_dataset(folder), (), folder.parent / "copy")

    assert [photo.name for photo in copy.photos if b"taken at home" in photo.path.read_bytes()] == []


def test_a_copy_that_fails_excludes_nothing(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    fixes = plan(dataset, unsafe=True)
    (faulty / "alpha.png").write_bytes(b"")
    with pytest.raises(CurationError, match=r"alpha\.png"):
        apply_fixes(dataset, fixes)
    assert [photo.excluded for photo in open_dataset(faulty).photos if photo.excluded] == []
    assert [path.name for path in faulty.parent.iterdir()] == ["set"]


def test_an_output_that_no_file_system_takes_is_refused(faulty: Path) -> None:
    with pytest.raises(CurationError, match="File name too long"):
        apply_fixes(open_dataset(faulty), (), faulty.parent / ("x" * 300))
