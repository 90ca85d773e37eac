"""Measure one photo: read once, decoded once, every part that is asked for."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from curation.background import measure_background
from curation.faces import FaceDetector, measure_faces
from curation.facts.hashes import measure_hashes
from curation.facts.header import FileFacts
from curation.facts.parts import Part, PhotoFacts
from curation.facts.pixels import Pixels
from curation.facts.quality import measure_quality
from curation.photo import Undecodable, decode
from curation.regular import read_regular
from curation.subject import measure_subject

LEAST_SIDE = 1024
"""Pixels that the shorter side keeps when a larger photo is halved to measure it: what training usually keeps."""

_MEASUREMENTS: Mapping[Part, Callable[[Pixels], Any]] = {
    "quality": measure_quality,
    "hashes": measure_hashes,
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
    try:
        decoded = decode(content, LEAST_SIDE)
    except Undecodable as error:
        return PhotoFacts(FileFacts(sha256, unreadable=str(error), fault=error.fault))
    pixels = Pixels(decoded.image)
    facts = replace(known or PhotoFacts(FileFacts(sha256)), file=FileFacts(sha256, decoded.header))
    lacking = facts.lacks(parts)
    measured: dict[str, Any] = {
        part: measurement(pixels) for part, measurement in _MEASUREMENTS.items() if part in lacking
    }
    if detector is not None and "faces" in lacking:
        measured["faces"] = measure_faces(pixels, detector)
    return replace(facts, **measured)
