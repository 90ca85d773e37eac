"""FIL rules: each finds its fault in a real photograph, and keeps silent on clean ones and on harmless look-alikes."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from curation import Finding, Report
from curation.facts.header import Header
from curation.facts.measure import measure
from tests.curation.damage import bomb

LoadSample = Callable[..., Image.Image]
Lint = Callable[..., Report]
Found = Callable[[Report, str], list[Finding]]

LATITUDE, GPS, EXIF, TAKEN, SUBSECOND, MAKE, MODEL = 2, 0x8825, 0x8769, 0x9003, 0x9291, 0x010F, 0x0110


def header(path: Path) -> Header:
    return measure(path, frozenset()).file.header


def test_clean_photos_have_no_finding_on_their_files(photos: Path, lint_folder: Lint) -> None:
    assert not [finding for finding in lint_folder(photos).findings if finding.code.startswith("FIL")]


def test_fil001_a_jpeg_whose_end_was_never_written(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    sample("cat").save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "zeros.jpg").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    (folder / "padded.jpg").write_bytes(whole + bytes(4096))
    report = lint_folder(folder)
    assert [finding.photos for finding in found(report, "FIL001")] == [("zeros.jpg",)]


def test_fil005_pixels_that_are_transparent_and_not_an_alpha_channel_that_is_opaque(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    image = sample("cat").convert("RGBA")
    image.save(folder / "opaque.png")
    image.paste((0, 0, 0, 0), (0, 0, image.width // 2, image.height))
    image.save(folder / "half.png")
    image.save(folder / "half.gif")
    findings = found(lint_folder(folder), "FIL005")
    assert {finding.photos[0] for finding in findings} == {"half.png", "half.gif"}
    assert [finding.value for finding in findings] == pytest.approx([0.5, 0.5], abs=0.01)


def _deep(folder: Path, sample: LoadSample) -> None:
    grey = np.asarray(sample("cat").convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey).save(folder / "grey.tiff")
    content = io.BytesIO()
    pillow_heif.register_heif_opener()
    deep = np.asarray(sample("cat")).astype(np.uint16) * 257
    pillow_heif.encode("RGB;16", deep.shape[1::-1], deep.tobytes(), content)
    (folder / "phone.heic").write_bytes(content.getvalue())


def test_fil006_more_than_8_bits(folder: Path, sample: LoadSample, lint_folder: Lint, found: Found) -> None:
    _deep(folder, sample)
    sample("cat").save(folder / "plain.tiff")
    sample("coffee").save(folder / "plain.avif")
    findings = {finding.photos[0]: finding.value for finding in found(lint_folder(folder), "FIL006")}
    assert findings == {"grey.png": 16, "grey.tiff": 16, "phone.heic": 10}


def test_fil006_16_bit_colour_that_pillow_opens_as_8_bit(folder: Path, sample: LoadSample) -> None:
    import cv2

    deep = np.asarray(sample("cat")).astype(np.uint16) * 257
    for name in ("deep.png", "deep.tiff"):
        assert cv2.imwrite(str(folder / name), deep)
        assert (header(folder / name).mode, header(folder / name).bits) == ("RGB", 16)


def _profile(description: str) -> bytes:
    """sRGB's profile under another name of as many letters."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return content.replace("sRGB".encode("utf-16-be"), description.encode("utf-16-be"))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp", "avif"])
def test_fil007_a_profile_that_is_not_srgb(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, suffix: str
) -> None:
    sample("cat").save(folder / f"wide.{suffix}", icc_profile=_profile("Wide"))
    sample("coffee").save(folder / f"srgb.{suffix}", icc_profile=_profile("sRGB"))
    sample("rocket").save(folder / f"broken.{suffix}", icc_profile=b"not a profile at all" * 8)
    findings = found(lint_folder(folder), "FIL007")
    assert {finding.photos[0] for finding in findings} == {f"wide.{suffix}", f"broken.{suffix}"}
    assert {finding.value for finding in findings} == {"Wide built-in", "broken"}


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff", "avif"])
def test_fil008_more_than_one_picture(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, suffix: str
) -> None:
    sample("cat", 300).save(folder / f"moving.{suffix}", save_all=True, append_images=[sample("rocket", 300)])
    sample("coffee", 300).save(folder / f"still.{suffix}")
    (finding,) = found(lint_folder(folder), "FIL008")
    assert (finding.photos, finding.value) == ((f"moving.{suffix}",), 2)


def test_fil008_the_views_of_one_scene_in_an_mpo_are_no_animation(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found
) -> None:
    sample("cat").save(folder / "cat.mpo", save_all=True, append_images=[sample("cat")])
    report = lint_folder(folder)
    assert not [finding for finding in report.findings if finding.code.startswith("FIL")]


def test_fil009_a_bomb_has_its_own_code(photos: Path, lint_folder: Lint, found: Found) -> None:
    (photos / "bomb.png").write_bytes(bomb(14_000))
    report = lint_folder(photos)
    assert [finding.photos for finding in found(report, "FIL009")] == [("bomb.png",)]
    assert not found(report, "FIL001")
    assert report.verdict == "blocked"


def test_fil010_pictures_that_nothing_reads(photos: Path, lint_folder: Lint, found: Found) -> None:
    (photos / "document.jpg").write_bytes(b"8BPS\0\1" + bytes(100))
    for name in ("cat.CR2", "alone.cr2", "second.nef", "drawing.svg", "notes.txt", ".hidden.psd"):
        (photos / name).write_bytes(b"")
    findings = found(lint_folder(photos), "FIL010")
    assert [(finding.severity, finding.photos) for finding in findings] == [
        ("error", ("document.jpg",)),
        ("warning", ("drawing.svg",)),
        ("warning", ("alone.cr2", "second.nef")),
    ]
    assert "Photoshop" in findings[0].message


@pytest.mark.parametrize(("one", "other"), [("Photo.png", "photo.PNG"), ("caf\u00e9.png", "cafe\u0301.png")])
def test_fil011_names_that_are_one_on_other_disks(
    photos: Path, lint_folder: Lint, found: Found, one: str, other: str
) -> None:
    (photos / "cat.png").rename(photos / one)
    (photos / "rocket.png").rename(photos / other)
    if len(list(photos.iterdir())) < 4:
        pytest.skip("this disk takes the two names for one")
    (finding,) = found(lint_folder(photos), "FIL011")
    assert set(finding.photos) == {one, other}


def _of_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[MAKE] = "Canon"
    return exif


def _with_position() -> Image.Exif:
    exif = _of_camera()
    exif.get_ifd(GPS)[LATITUDE] = (48.0, 51.0, 30.0)
    whole = Image.Exif()
    whole.load(exif.tobytes())  # as a TIFF is saved without positions that were only set
    return whole


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif", "heic"])
def test_fil012_a_position_in_the_exif(
    folder: Path, sample: LoadSample, lint_folder: Lint, found: Found, suffix: str
) -> None:
    pillow_heif.register_heif_opener()
    sample("cat").save(folder / f"home.{suffix}", exif=_with_position())
    sample("coffee").save(folder / f"nowhere.{suffix}", exif=_of_camera())
    assert [finding.photos for finding in found(lint_folder(folder), "FIL012")] == [(f"home.{suffix}",)]


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png", "tiff"])
def test_fil012_a_position_in_the_xmp(folder: Path, sample: LoadSample, suffix: str) -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="48,51.5N"/></x:xmpmeta>'
    options: dict[str, object] = {"xmp": packet}
    if suffix == "png":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        options = {"pnginfo": text}
    if suffix == "tiff":
        options = {"tiffinfo": {700: packet}}
    sample("cat").save(folder / f"home.{suffix}", **options)  # type: ignore[arg-type] - options differ by format
    assert header(folder / f"home.{suffix}").gps


def test_the_time_and_the_camera_are_read(folder: Path, sample: LoadSample) -> None:
    exif = Image.Exif()
    exif[MAKE], exif[MODEL] = "Canon", "EOS\0"
    exif.get_ifd(EXIF)[TAKEN] = "2024:05:17 12:30:00"
    exif.get_ifd(EXIF)[SUBSECOND] = "25"
    sample("cat").save(folder / "first.jpg", exif=exif)
    exif.get_ifd(EXIF)[TAKEN] = "2024:05:17 12:30:02"
    sample("cat").save(folder / "second.jpg", exif=exif)
    exif.get_ifd(EXIF)[TAKEN] = "0000:00:00 00:00:00"
    sample("cat").save(folder / "never.jpg", exif=exif)
    first, second, never = (header(folder / f"{name}.jpg") for name in ("first", "second", "never"))
    assert first.camera == "Canon EOS"
    assert first.taken is not None
    assert second.taken is not None
    assert second.taken - first.taken == 2.0
    assert never.taken is None


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 92, 100])
def test_the_quality_of_a_jpeg_is_told_by_its_table(folder: Path, sample: LoadSample, quality: int) -> None:
    sample("cat").save(folder / "cat.jpg", quality=quality)
    assert header(folder / "cat.jpg").jpeg_quality == quality


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("step", range(6))
def test_damaged_exif_leaves_a_photo_readable(folder: Path, sample: LoadSample, suffix: str, step: int) -> None:
    exif = _with_position()
    exif.get_ifd(EXIF)[TAKEN] = "2024:05:17 12:30:00"
    content = exif.tobytes()
    start = len(content) * step // 6
    spoiled = content[:start] + b"\xff" * (len(content) // 6) + content[start + len(content) // 6 :]
    sample("cat").save(folder / f"cat.{suffix}", exif=spoiled)
    assert measure(folder / f"cat.{suffix}", frozenset()).file.unreadable is None
