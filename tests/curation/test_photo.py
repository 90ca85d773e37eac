"""Every photo decodes to upright 8-bit sRGB without metadata, or says why it cannot."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from curation import PHOTO_SUFFIXES, CurationError
from curation.face_detectors import CascadeDetector
from curation.faces import Face
from curation.facts.header import FileFacts
from curation.facts.measure import measure
from curation.photo import load_rgb

LoadSample = Callable[..., Image.Image]


def file_facts(path: Path) -> FileFacts:
    return measure(path, frozenset()).file


def faces(path: Path) -> tuple[Face, ...]:
    found = measure(path, frozenset({"faces"}), detector=CascadeDetector()).faces
    assert found is not None
    return found.faces


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(folder: Path, sample: LoadSample, orientation: int) -> None:
    shown = sample("cat")
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = shown.transpose(undo[orientation]) if orientation in undo else shown
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(folder / "cat.png", exif=exif)

    assert np.array_equal(np.asarray(load_rgb(folder / "cat.png")), np.asarray(shown))
    header = file_facts(folder / "cat.png").header
    assert (header.width, header.height, header.orientation) == (*shown.size, orientation)


def test_16_bit_greys_are_rescaled_not_clipped(folder: Path) -> None:
    ramp = (np.arange(128) * 257).astype(np.uint16).reshape(8, 16)  # the darker half of the scale
    Image.fromarray(ramp).save(folder / "ramp.png")
    assert np.array_equal(np.asarray(load_rgb(folder / "ramp.png"))[..., 0], np.arange(128).reshape(8, 16))


def test_transparency_lies_over_white(folder: Path) -> None:
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.save(folder / "red.png")
    rgb = load_rgb(folder / "red.png")
    assert (rgb.getpixel((0, 0)), rgb.getpixel((1, 1))) == ((255, 255, 255), (200, 0, 0))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "RGBA", "I;16", "F"])
def test_every_mode_becomes_rgb(folder: Path, sample: LoadSample, mode: str) -> None:
    image = sample("cat")
    image = image.convert("L").convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    image.save(folder / "cat.tiff")
    assert (load_rgb(folder / "cat.tiff").mode, load_rgb(folder / "cat.tiff").size) == ("RGB", image.size)


def test_heic_is_read(folder: Path, sample: LoadSample) -> None:
    pillow_heif.from_pillow(sample("cat")).save(folder / "cat.heic")
    assert load_rgb(folder / "cat.heic").size == sample("cat").size


def test_the_colour_profile_is_obeyed(folder: Path) -> None:
    red = Image.new("RGB", (8, 8), (250, 5, 5))
    red.save(folder / "red.png", icc_profile=_swapped_primaries())
    pixel = load_rgb(folder / "red.png").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert pixel[1] > pixel[0], "the profile says that red and green are swapped"


def test_no_metadata_is_carried_on(folder: Path, sample: LoadSample) -> None:
    exif = Image.Exif()
    exif[0x010E] = "description"
    exif.get_ifd(0x8825)[1] = "N"
    sample("cat").save(folder / "cat.jpg", exif=exif)
    rgb = load_rgb(folder / "cat.jpg")
    assert (dict(rgb.info), dict(rgb.getexif())) == ({}, {})


def _broken(sample: LoadSample) -> dict[str, bytes]:
    buffer = io.BytesIO()
    sample("cat").save(buffer, "JPEG")
    whole = buffer.getvalue()
    return {"empty": b"", "text": b"hello", "half": whole[: len(whole) // 2], "header": whole[:20]}


@pytest.mark.parametrize("kind", ["empty", "text", "half", "header"])
def test_a_broken_file_is_named_and_never_half_decoded(folder: Path, sample: LoadSample, kind: str) -> None:
    path = folder / "broken.jpg"
    path.write_bytes(_broken(sample)[kind])
    with pytest.raises(CurationError, match=r"broken\.jpg"):
        load_rgb(path)
    assert file_facts(path).unreadable


def test_the_same_pixels_in_another_format_have_the_same_hash(folder: Path, sample: LoadSample) -> None:
    sample("cat").save(folder / "a.png")
    sample("cat").save(folder / "b.bmp")
    a, b = (measure(folder / name, frozenset({"hashes"})) for name in ("a.png", "b.bmp"))
    assert a.hashes is not None
    assert a.hashes == b.hashes
    assert a.file.sha256 != b.file.sha256


def test_a_face_is_found_where_it_is_near_or_far(folder: Path, sample: LoadSample) -> None:
    scene = sample("rocket", 1280)
    scene.paste(sample("astronaut").resize((200, 200)), (700, 300))
    scene.save(folder / "far.png")
    sample("astronaut").save(folder / "near.png")

    far, near = (faces(folder / name) for name in ("far.png", "near.png"))

    assert len(far) == 1
    assert 700 <= far[0].left * 1280 <= 900
    assert len(near) == 1
    assert near[0].height > 3 * far[0].height


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket", "retina"])
def test_no_face_is_seen_where_there_is_none(folder: Path, sample: LoadSample, name: str) -> None:
    sample(name).save(folder / "photo.png")
    assert faces(folder / "photo.png") == ()


def _swapped_primaries() -> bytes:
    """sRGB's profile with the red and the green primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


@pytest.mark.parametrize("format", ["EPS", "PPM", "PDF"])
def test_a_photo_is_decoded_by_its_format_and_never_run_as_a_program(
    folder: Path, sample: LoadSample, format: str
) -> None:
    sample("cat").save(folder / "cat.jpg", format)
    reason = file_facts(folder / "cat.jpg").unreadable
    assert reason is not None
    assert reason.startswith("it is ")


@pytest.mark.parametrize("suffix", sorted(PHOTO_SUFFIXES))
def test_every_kind_of_photo_that_is_listed_can_be_read(folder: Path, sample: LoadSample, suffix: str) -> None:
    pillow_heif.register_heif_opener()
    sample("cat").save(folder / f"cat{suffix}")
    assert load_rgb(folder / f"cat{suffix}").size == sample("cat").size
