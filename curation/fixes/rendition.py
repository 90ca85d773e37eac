"""How one photo is written into the copy: its name, its format, and which of its pixels."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from curation.checks.files import SUFFIXES_OF_FORMAT, folded
from curation.dataset import Photo
from curation.facts.header import Header
from curation.fixes.border import inside_border
from curation.fixes.box import Box
from curation.fixes.plan import Fix
from curation.jpeg import without_metadata
from curation.photo import load, load_rgb
from curation.regular import read_regular

Format = Literal["JPEG", "PNG"]

LOSSY = frozenset({"JPEG", "MPO", "HEIF", "AVIF", "WEBP"})
"""Formats of photos that lost detail before; as JPEG of quality 95 they take a tenth of a PNG's space."""

KEEPS_PIXELS = frozenset({"FIL002", "FIL011", "FIL012"})
"""Rules that another name or the loss of metadata mends: extension, clashing names, position."""


@dataclass(frozen=True)
class Rendition:
    """One photo of the copy.

    name: in the copy.  header: of the original.  box: the part that is kept, of the upright photo.  verbatim: whether a
    JPEG keeps its encoded pixels, bit for bit.
    """

    photo: Photo
    name: str
    format: Format
    header: Header
    box: Box
    verbatim: bool


def renditions(photos: Sequence[Photo], fixes: Sequence[Fix]) -> tuple[Rendition, ...]:
    """How the photos are written, in their order. Raises CurationError for one that does not decode to its end."""
    headers = [load(photo.path, least_side=1).header for photo in photos]
    formats: list[Format] = ["JPEG" if header.format in LOSSY else "PNG" for header in headers]
    made = []
    for photo, header, format, name in zip(photos, headers, formats, _names(photos, formats), strict=True):
        own = [fix for fix in fixes if fix.photo == photo.name]
        box = _box(photo, header, own)
        codes = {fix.code for fix in own}
        as_it_is = header.orientation == 1 and box.size == (header.width, header.height) and codes <= KEEPS_PIXELS
        verbatim = as_it_is and header.format in {"JPEG", "MPO"}
        made.append(Rendition(photo, name, format, header, box, verbatim))
    return tuple(made)


def encoded(rendition: Rendition) -> bytes:
    """The new file. Only its pixels come from the original: no EXIF, XMP, comment, thumbnail or second picture."""
    if rendition.verbatim:
        with contextlib.suppress(ValueError):  # stray bytes, which decoders skip
            return without_metadata(read_regular(rendition.photo.path))
    rgb = load_rgb(rendition.photo.path).crop(rendition.box)
    buffer = io.BytesIO()
    # Quality 95 without chroma subsampling: no visible loss, and none that training at 1024 pixels could see.
    rgb.save(buffer, rendition.format, **({"quality": 95, "subsampling": 0} if rendition.format == "JPEG" else {}))
    return buffer.getvalue()


def _box(photo: Photo, header: Header, fixes: Sequence[Fix]) -> Box:
    box = Box(0, 0, header.width, header.height)
    for fix in fixes:
        if fix.box is not None:
            box = box.within(fix.box)
        elif fix.picture is not None:
            box = box.within(inside_border(load_rgb(photo.path), fix.picture))
    return box


def _names(photos: Sequence[Photo], formats: Sequence[Format]) -> list[str]:
    """New names: with another extension where the format asks for one, and a number where that name is taken.

    Names that other systems take for one, as they differ in case alone, count as taken.
    """
    own = {folded(photo.name) for photo in photos}
    stems = {_stem(photo.name) for photo in photos}
    given: set[str] = set()
    names = []
    for photo, format in zip(photos, formats, strict=True):
        name = photo.name
        path = PurePosixPath(name)
        if path.suffix.lower() not in SUFFIXES_OF_FORMAT[format]:
            path = path.with_suffix(".jpg" if format == "JPEG" else ".png")
        number = 1
        while folded(path.as_posix()) in (given if path.as_posix() == name else given | own) or (
            number > 1 and _stem(path.as_posix()) in stems  # it would find that photo's caption file
        ):
            number += 1
            path = path.with_stem(f"{PurePosixPath(name).stem}-{number}")
        given.add(folded(path.as_posix()))
        names.append(path.as_posix())
    return names


def _stem(name: str) -> str:
    return folded(PurePosixPath(name).with_suffix("").as_posix())
