"""Fixes mend a copy and leave photos out; no original ever changes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

from curation import CurationError, Dataset, open_dataset
from curation.fixes import Fix, apply_fixes, plan_fixes
from curation.lint import TrainingNeeds, lint
from curation.photo import load_rgb

LoadSample = Callable[..., Image.Image]


def plan(dataset: Dataset, unsafe: bool = False) -> tuple[Fix, ...]:
    return plan_fixes(dataset, lint(dataset, needs=TrainingNeeds(256)), unsafe)


def mend(dataset: Dataset, fixes: tuple[Fix, ...], output: Path | None = None) -> Dataset:
    return apply_fixes(dataset, fixes, output).copy


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
    see_through = sample("astronaut")
    see_through.putalpha(200)
    see_through.save(folder / "alpha.png")
    sample("rocket").save(folder / "wrong.png", "JPEG", exif=with_gps())
    sample("rocket").resize((60, 40)).crop((0, 0, 40, 40)).save(folder / "small.png", exif=with_gps())
    shutil.copy(folder / "good.jpg", folder / "good-copy.jpg")
    (folder / "broken.jpg").write_bytes((folder / "good.jpg").read_bytes()[:3000])
    (folder / "metadata.jsonl").write_text('{"licence": "CC0", "file_name": "wrong.png", "prompt": "a rocket"}\n')
    (folder / "turned.txt").write_text("a cat\n")
    return folder


def test_safe_fixes_are_planned_for_each_fault_that_loses_no_photo(faulty: Path) -> None:
    fixes = plan(open_dataset(faulty))
    assert all(fix.safe for fix in fixes)
    assert {(fix.photo, fix.code, fix.action) for fix in fixes} == {
        ("alpha.png", "FIL005", "rewrite"),
        ("broken.jpg", "FIL001", "omit"),
        ("good-copy.jpg", "FIL012", "rewrite"),
        ("good.jpg", "FIL012", "rewrite"),
        ("small.png", "FIL012", "rewrite"),
        ("turned.jpg", "FIL003", "rewrite"),
        ("turned.jpg", "FIL012", "rewrite"),
        ("wrong.png", "FIL002", "rewrite"),
        ("wrong.png", "FIL012", "rewrite"),
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

    mended = mend(dataset, plan(dataset))

    assert mended.root == faulty.parent / "set-fixed"
    names = [photo.name for photo in mended.photos]
    assert names == ["alpha.png", "good-copy.jpg", "good.jpg", "small.png", "turned.jpg", "wrong.jpg"]
    report = lint(mended, needs=TrainingNeeds(256))
    assert not [finding for finding in report.findings if finding.code.startswith("FIL")]
    assert load_rgb(mended.root / "turned.jpg").size == load_rgb(faulty / "turned.jpg").size
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_photo_without_faults_keeps_every_pixel(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = mend(dataset, plan(dataset))
    for name in ("good.jpg", "small.png"):
        before, after = load_rgb(faulty / name), load_rgb(mended.root / name)
        assert np.array_equal(np.asarray(before), np.asarray(after))
    scans = [path.read_bytes().partition(b"\xff\xda")[2] for path in (faulty / "good.jpg", mended.root / "good.jpg")]
    assert scans[0] == scans[1], "its pixels were not even encoded again"


@pytest.mark.parametrize(
    ("name", "save", "expected"),
    [
        ("a.jpg", {"format": "MPO", "save_all": True}, ("a.jpg", "JPEG")),
        ("a.webp", {"quality": 80}, ("a.jpg", "JPEG")),
        ("a.avif", {}, ("a.jpg", "JPEG")),
        ("a.tif", {"compression": "tiff_lzw"}, ("a.png", "PNG")),
        ("a.bmp", {}, ("a.png", "PNG")),
        ("a.gif", {}, ("a.png", "PNG")),
    ],
)
def test_photos_become_jpeg_where_detail_was_lost_before_and_png_where_none_was(
    folder: Path, sample: LoadSample, name: str, save: dict[str, Any], expected: tuple[str, str]
) -> None:
    image = sample("cat")
    options: dict[str, Any] = {"append_images": [image], **save} if "save_all" in save else save
    image.save(folder / name, **options)
    (copied,) = mend(open_dataset(folder), (), folder.parent / "copy").photos
    assert (copied.name, Image.open(copied.path).format) == expected
    before, after = (np.asarray(load_rgb(path), np.int16) for path in (folder / name, copied.path))
    limit = 0 if name in {"a.jpg", "a.tif", "a.bmp", "a.gif"} else 2
    assert np.abs(before - after).mean() <= limit


@pytest.mark.parametrize("width", [300, 1100, 2000])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_border_is_trimmed_to_one_pixel_inside_the_picture(
    folder: Path, sample: LoadSample, width: int, suffix: str
) -> None:
    picture = sample("coffee", width)
    side, top, bottom = width // 16, width // 20 + 1, width // 24
    framed = Image.new("RGB", (picture.width + 2 * side, picture.height + top + bottom), (8, 8, 8))
    framed.paste(picture, (side, top))
    framed.save(folder / f"framed.{suffix}", quality=90)
    dataset = open_dataset(folder)
    (fix,) = [fix for fix in plan(dataset) if fix.code == "IMG007"]

    copy = mend(dataset, (fix,))

    trimmed = np.asarray(load_rgb(copy.photos[0].path), np.int16)
    expected = np.asarray(load_rgb(folder / f"framed.{suffix}"), np.int16)[top + 1 : -bottom - 1, side + 1 : -side - 1]
    assert trimmed.shape == expected.shape
    assert np.abs(trimmed - expected).mean() <= (0 if suffix == "png" else 2)


def test_real_borders_are_trimmed_and_their_copies_have_none(dreambooth: Callable[[str], Path], tmp_path: Path) -> None:
    dataset = open_dataset(Path(shutil.copytree(dreambooth("cat2"), tmp_path / "cat2")))
    fixes = [fix for fix in plan(dataset) if fix.code == "IMG007"]
    assert {"00.jpg", "01.jpg", "04.jpg"} <= {fix.photo for fix in fixes}
    copy = mend(dataset, tuple(fixes))
    assert not [fix for fix in plan(copy) if fix.code == "IMG007"]


def test_of_an_animation_the_first_frame_is_copied(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "a.gif", save_all=True, append_images=[sample("coffee").resize(sample("cat").size)])
    (copied,) = mend(open_dataset(folder), (), folder.parent / "copy").photos
    assert getattr(Image.open(copied.path), "n_frames", 1) == 1
    assert np.array_equal(np.asarray(load_rgb(folder / "a.gif")), np.asarray(load_rgb(copied.path)))


def test_sixteen_bits_are_scaled_to_eight(folder: Path) -> None:
    ramp = np.linspace(0, 65535, 256 * 256).reshape(256, 256).astype(np.uint16)
    Image.fromarray(ramp).save(folder / "a.png")
    dataset = open_dataset(folder)
    (copied,) = mend(dataset, plan(dataset)).photos
    image = Image.open(copied.path)
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image)[..., 0] - ramp / 65535 * 255).max() <= 1


def test_another_colour_profile_becomes_srgb(folder: Path, sample: LoadSample) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("LAB", (64, 64), (200, 128, 128)).save(folder / "lab.tif", icc_profile=profile)
    sample("cat").save(folder / "untouched.jpg", icc_profile=profile)
    fix = Fix("FIL007", "lab.tif", "rewrite", True, "other colours")
    copy = mend(open_dataset(folder), (fix,), folder.parent / "copy")
    assert "icc_profile" not in Image.open(copy.root / "lab.png").info
    assert "icc_profile" in Image.open(copy.root / "untouched.jpg").info, "its pixels mean nothing without it"


def test_captions_go_with_the_photos_to_the_places_where_they_were(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = mend(dataset, plan(dataset))
    rows = [json.loads(line) for line in (mended.root / "metadata.jsonl").read_text().splitlines()]
    assert rows == [{"licence": "CC0", "file_name": "wrong.jpg", "prompt": "a rocket"}]
    assert (mended.root / "turned.txt").read_text() == "a cat\n"
    captions = {photo.name: photo.caption for photo in mended.photos if photo.caption}
    assert captions == {"turned.jpg": "a cat", "wrong.jpg": "a rocket"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.jsonl", '\n{"file_name":"a.webp", "n":1.50, "prompt":"x"}\n{"file_name": "gone.png"}\r\n'),
        ("metadata.csv", 'n,file_name,prompt\r\n"1.50",a.webp,"x, ""y"""\r\n2,gone.png,z\r\n'),
    ],
)
def test_a_metadata_file_keeps_its_kind_and_every_character_but_the_names(
    folder: Path, sample: LoadSample, name: str, text: str
) -> None:
    sample("cat").save(folder / "a.webp")
    (folder / name).write_bytes(text.encode())
    copy = mend(open_dataset(folder), (), folder.parent / "copy")
    kept = text[: text.index("{" if name.endswith("l") else "2,g", text.index("a.webp"))]
    assert (copy.root / name).read_bytes().decode().replace('"1.50"', "1.50") == kept.replace(
        "a.webp", "a.jpg"
    ).replace('"1.50"', "1.50")


def test_every_line_of_a_caption_file_is_kept_under_the_photos_new_name(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "a.jpg", "PNG")
    sample("coffee").save(folder / "a.png")
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    copy = mend(open_dataset(folder), (), folder.parent / "copy")
    assert sorted(path.name for path in copy.root.iterdir()) == ["a-2.png", "a-2.txt", "a.png", "a.txt"]
    assert (copy.root / "a-2.txt").read_bytes() == (folder / "a.txt").read_bytes() == (copy.root / "a.txt").read_bytes()


def test_unsafe_fixes_are_recorded_as_exclusions_with_their_reason(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    mended = mend(dataset, plan(dataset, unsafe=True))
    assert [photo.name for photo in mended.photos] == ["alpha.png", "good-copy.jpg", "turned.jpg", "wrong.jpg"]
    reasons = {photo.name: photo.excluded for photo in open_dataset(faulty).photos if photo.excluded}
    assert set(reasons) == {"broken.jpg", "good.jpg", "small.png"}
    assert reasons["good.jpg"] == "DUP001: The same photo 2 times, byte for byte."


def test_a_photo_stored_turned_is_never_copied_lying(faulty: Path) -> None:
    dataset = open_dataset(faulty)
    omissions = tuple(fix for fix in plan(dataset) if fix.action == "omit")
    mended = mend(dataset, omissions, faulty.parent / "copy")
    assert load_rgb(mended.root / "turned.jpg").size == load_rgb(faulty / "turned.jpg").size


def test_photos_in_subfolders_keep_their_place_and_names_never_clash(folder: Path, sample: LoadSample) -> None:
    (folder / "sub").mkdir()
    sample("cat").save(folder / "sub" / "a.jpg", "PNG")
    sample("coffee").save(folder / "sub" / "a.png")
    dataset = open_dataset(folder)
    mended = mend(dataset, plan(dataset))
    assert [photo.name for photo in mended.photos] == ["sub/a-2.png", "sub/a.png"]
    assert load_rgb(mended.root / "sub" / "a.png").size == sample("coffee").size, "who has the name keeps it"


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
    assert {fix.code for fix in plan(dataset)} == {"FIL012"}
    copy = mend(dataset, (), folder.parent / "copy")
    assert np.array_equal(np.asarray(load_rgb(folder / "cat.jpg")), np.asarray(load_rgb(copy.root / "cat.jpg")))


def test_a_jpeg_with_stray_bytes_that_decoders_skip_is_copied(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "cat.jpg", exif=with_gps())
    content = (folder / "cat.jpg").read_bytes()
    (folder / "cat.jpg").write_bytes(content[:20] + b"\0\0\0" + content[20:])  # after the JFIF segment

    copy = mend(open_dataset(folder), (), folder.parent / "copy")

    assert load_rgb(copy.root / "cat.jpg").size == sample("cat").size
    assert not dict(Image.open(copy.root / "cat.jpg").getexif())


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


def test_names_that_differ_in_case_alone_do_not_in_the_copy(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "Cat.png")
    sample("coffee").save(folder / "cat.png")
    sample("rocket").save(folder / "cat-2.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "cat.png", "prompt": "a cup"}\n')
    dataset = open_dataset(folder)
    copy = mend(dataset, plan(dataset))
    assert [(photo.name, photo.caption) for photo in copy.photos] == [
        ("Cat.png", None),
        ("cat-2.png", None),
        ("cat-3.png", "a cup"),
    ]


def test_only_what_a_photo_needs_is_done_to_its_jpeg(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "cat.png", "JPEG", exif=with_gps())
    dataset = open_dataset(folder)
    copy = mend(dataset, plan(dataset))
    scans = [path.read_bytes().partition(b"\xff\xda")[2] for path in (folder / "cat.png", copy.root / "cat.jpg")]
    assert scans[0] == scans[1]


@pytest.mark.parametrize("content", [b"", b"8BPS\0\1" + bytes(40), b"GIF89a" + b"\xff" * 20])
def test_what_cannot_be_decoded_is_not_copied_whatever_it_is(folder: Path, sample: LoadSample, content: bytes) -> None:
    sample("cat").save(folder / "cat.png")
    (folder / "odd.gif").write_bytes(content)
    dataset = open_dataset(folder)
    copy = mend(dataset, plan(dataset))
    assert [photo.name for photo in copy.photos] == ["cat.png"]
    assert [photo.excluded for photo in open_dataset(folder).photos] == [None, None]


def test_a_bomb_is_not_copied(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "cat.png")
    Image.new("1", (16_000, 16_000)).save(folder / "bomb.png")
    dataset = open_dataset(folder)
    assert [photo.name for photo in mend(dataset, plan(dataset)).photos] == ["cat.png"]
