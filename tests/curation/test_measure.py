"""A photo is decoded no further than the parts that are asked for need, to its last byte, and to the same facts."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from curation.facts.measure import measure
from curation.facts.parts import Part
from curation.photo import decode_luma

LoadSample = Callable[..., Image.Image]

IN_GREY: frozenset[Part] = frozenset({"tones", "sharpness", "directional_blur", "hashes"})
IN_COLOUR: frozenset[Part] = frozenset({"detail", "borders", "colours"})


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("width", [600, 1500, 2100])
def test_a_part_is_the_same_whatever_else_is_measured(
    folder: Path, sample: LoadSample, suffix: str, width: int
) -> None:
    path = folder / f"photo.{suffix}"
    sample("coffee", width).save(path)
    both, grey, colour = (measure(path, parts) for parts in (IN_GREY | IN_COLOUR, IN_GREY, IN_COLOUR))
    assert both == replace(colour, **{part: getattr(grey, part) for part in IN_GREY})
    assert measure(path, IN_GREY | IN_COLOUR, known=grey) == both


def test_a_jpeg_is_decoded_in_grey_upright_and_reduced(sample: LoadSample) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left
    buffer = io.BytesIO()
    sample("coffee", 2100).save(buffer, "JPEG", exif=exif)
    decoded = decode_luma(buffer.getvalue(), 1000)
    assert decoded is not None
    assert (decoded.image.mode, decoded.image.size) == ("L", (788, 1050))


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_what_is_no_jpeg_in_srgb_has_no_luma_of_its_own(sample: LoadSample, mode: str) -> None:
    buffer = io.BytesIO()
    sample("coffee").convert(mode).save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert decode_luma(buffer.getvalue(), 1000) is None


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept", [0.3, 0.95, 0.999])
def test_a_jpeg_that_is_cut_short_is_noticed_in_grey_too(
    folder: Path, sample: LoadSample, progressive: bool, kept: float
) -> None:
    path = folder / "photo.jpg"
    sample("coffee", 2100).save(path, progressive=progressive)
    assert measure(path, IN_GREY).file.fault is None
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert measure(path, IN_GREY).file.fault == "damaged"
