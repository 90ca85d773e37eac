"""Measure one photo: every part that is asked for, on no more pixels than it takes."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from curation.background import measure_background
from curation.faces import FaceDetector, measure_faces
from curation.facts.borders import find_borders
from curation.facts.hashes import colour_counts, measure_hashes
from curation.facts.header import FileFacts
from curation.facts.parts import Part, PhotoFacts
from curation.facts.pixels import NEARLY, Pixels, grey_1024
from curation.facts.sharpness import detail, directional_blur, sharpness
from curation.facts.tones import measure_tones
from curation.photo import Decoded, Undecodable, decode, decode_luma
from curation.regular import read_regular
from curation.subject import measure_subject

LEAST_SIDE = 1024
"""Pixels that the shorter side keeps when a larger photo is halved to measure it: what training usually keeps."""

_ON_GREY: Mapping[Part, Callable[[np.ndarray], Any]] = {
    "tones": measure_tones,
    "sharpness": sharpness,
    "directional_blur": directional_blur,
    "hashes": measure_hashes,
}
"""On the photo in grey, at a longer side of 1024 or a little less: of a JPEG no more than that is decoded."""

_ON_PIXELS: Mapping[Part, Callable[[Pixels], Any]] = {
    "detail": lambda pixels: detail(pixels.grey),
    "borders": lambda pixels: find_borders(pixels.rgb_1024),
    "colours": lambda pixels: colour_counts(pixels.rgb_1024),
    "background": measure_background,
    "subject": measure_subject,
}


def measure(
    path: Path, parts: frozenset[Part], known: PhotoFacts | None = None, detector: FaceDetector | None = None
) -> PhotoFacts:
    """Measure what `known` facts lack of `parts`. A file that is no whole photo gives facts with `unreadable` set.

    detector: for the part "faces".
    """
    try:
        content = read_regular(path)
    except OSError as error:
        return PhotoFacts(FileFacts("", unreadable=f"the file cannot be opened ({error.strerror})", fault="unopened"))
    sha256 = hashlib.sha256(content).hexdigest()
    facts = known or PhotoFacts(FileFacts(sha256))
    lacking = facts.lacks(parts)
    try:
        in_grey, in_colour = _decoded(content, lacking)
    except Undecodable as error:
        return PhotoFacts(FileFacts(sha256, unreadable=str(error), fault=error.fault))
    measured: dict[str, Any] = {}
    if on_grey := lacking & _ON_GREY.keys():
        grey = grey_1024(in_grey.image)
        measured = {part: _ON_GREY[part](grey) for part in on_grey}
    pixels = Pixels(in_colour.image)
    measured |= {part: measurement(pixels) for part, measurement in _ON_PIXELS.items() if part in lacking}
    if detector is not None and "faces" in lacking:
        measured["faces"] = measure_faces(pixels, detector)
    return replace(facts, file=FileFacts(sha256, in_colour.header), **measured)


def _decoded(content: bytes, parts: frozenset[Part]) -> tuple[Decoded, Decoded]:
    """The photo to measure in grey, and in colour: one picture for both where that serves all of `parts`.

    The same part is always measured on the same picture, whatever else is measured: which rules are chosen changes no
    judgement.
    """
    luma = decode_luma(content, NEARLY) if not parts or parts & _ON_GREY.keys() else None
    if luma is not None and parts <= _ON_GREY.keys():
        return luma, luma
    colour = decode(content, LEAST_SIDE)
    return luma or colour, colour
