"""A JPEG loses its metadata and not one bit of its picture."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.jpeg import without_metadata


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (47.0, 22.0, 11.0)
    image.save(buffer, "JPEG", exif=exif, comment=b"taken at home", xmp=b"<x:xmpmeta>at home</x:xmpmeta>", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_pixels_stay_and_metadata_goes(
    sample: Callable[..., Image.Image], mode: str, options: dict[str, object]
) -> None:
    content = jpeg(sample("cat").convert(mode), icc_profile=b"a profile", **options)

    bare = without_metadata(content)

    before, after = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(bare))
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert b"at home" in content
    assert b"at home" not in bare
    assert not after.getexif()
    assert after.info["icc_profile"] == b"a profile"


def test_the_second_picture_of_an_mpo_goes_too(sample: Callable[..., Image.Image]) -> None:
    buffer = io.BytesIO()
    sample("cat").save(buffer, "MPO", save_all=True, append_images=[sample("coffee")])
    image = Image.open(io.BytesIO(without_metadata(buffer.getvalue())))
    assert image.format == "JPEG"
    assert image.size == sample("cat").size


def test_the_thumbnail_in_the_jfif_segment_goes(sample: Callable[..., Image.Image]) -> None:
    content = jpeg(sample("cat"))
    assert content[:11] == b"\xff\xd8\xff\xe0\x00\x10JFIF\0"
    thumbnail = bytes(range(48))  # 4 x 4 pixels of RGB
    with_thumbnail = content[:4] + b"\x00\x40" + content[6:18] + b"\x04\x04" + thumbnail + content[20:]
    assert Image.open(io.BytesIO(with_thumbnail)).size == sample("cat").size

    bare = without_metadata(with_thumbnail)

    assert thumbnail not in bare
    assert bare == without_metadata(content)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_damaged_bytes_are_refused(tail: bytes, cut: int) -> None:
    head = jpeg(Image.new("RGB", (16, 16)))[:cut]
    content = head + tail
    with contextlib.suppress(ValueError):
        assert without_metadata(content).endswith(b"\xff\xd9")
