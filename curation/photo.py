"""Decoding one photo: to 8-bit sRGB, upright, whole or at reduced scale, and what its file says about itself."""

import contextlib
import functools
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from curation.errors import CurationError
from curation.facts.header import Fault, Header, means_srgb, orientation_of, read_header
from curation.foreign_formats import foreign_format
from curation.regular import read_regular
from curation.text import visible

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "GIF", "BMP")
"""Pillow's names of what is decoded, whatever a file's name says: EPS, for one, would run as a program."""

LARGE = 32_000_000
"""Pixels. Larger pictures are decoded one at a time: one of the largest, 179 million, takes 1.4 GB on its way."""

ZEROS = 512
"""Bytes: a sector of a disk, the least that is left unwritten."""

_one_large_picture = threading.Lock()

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What shows a picture upright, by its EXIF orientation."""


@dataclass(frozen=True)
class Decoded:
    """One photo. image: 8-bit, RGB or grey, upright, without metadata. header: what its file says about itself.

    alpha: how opaque each pixel is, 8-bit, upright; None for a file that does not tell.
    """

    image: Image.Image
    header: Header
    alpha: Image.Image | None = None


class Undecodable(Exception):
    """The bytes are not a whole photo; the message says why, to follow "because"."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault: Fault = fault


def load_rgb(path: Path) -> Image.Image:
    """Decode the whole photo to 8-bit sRGB, upright, alpha over white, without any metadata. Raises as `load` does."""
    return load(path).image


def load(path: Path, least_side: int | None = None) -> Decoded:
    """Read and decode a photo, to its last byte, as `decode` does.

    Raises CurationError, naming the photo, for anything that does not decode.
    """
    try:
        return decode(read_regular(path), least_side)
    except (OSError, Undecodable) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CurationError(
            f"{visible(path.name)} cannot be read: {reason}.", "Replace the file, or leave the photo out."
        ) from error


def decode(content: bytes, least_side: int | None = None) -> Decoded:
    """Decode a file's bytes, to the last one.

    least_side: the photo comes at 1/2, 1/4, ... of its size, as long as its shorter side keeps so many pixels. A JPEG
    is reduced while it is decoded, which reads every byte all the same, in a third of the time. Raises Undecodable.
    """
    with _opened(content) as image:
        shrinks = least_side is not None and image.format in {"JPEG", "MPO"}
        large = image.width * image.height > LARGE and not shrinks
        with _one_large_picture if large else contextlib.nullcontext():
            return _decoded(image, content, least_side)


def decode_luma(content: bytes, least_side: int) -> Decoded | None:
    """Decode the brightness alone (8-bit grey) of a JPEG in sRGB, to its last byte; None for anything else.

    least_side: as for `decode`, but of the longer side. Raises Undecodable.
    """
    with _opened(content) as image:
        if image.format not in {"JPEG", "MPO"} or image.mode not in {"RGB", "L"}:
            return None
        header = _header(image, content)
        if header.profile and not means_srgb(header.profile):
            return None
        times = _times(max(image.size), least_side)
        image.draft("L", (image.width // times, image.height // times))
        image.load()
        picture = _upright(image, image)
        picture.info = {}
        return Decoded(picture, header)


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[ImageFile.ImageFile]:
    """The photo, not decoded yet. Whatever Pillow raises about it becomes Undecodable."""
    if not content:
        raise Undecodable("damaged", "the file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            yield image
    except Undecodable:
        raise
    except UnidentifiedImageError as error:
        if foreign := foreign_format(content):
            raise Undecodable("unsupported", f"it is {foreign}, which is not read") from error
        raise Undecodable("damaged", "it is not an image, or of an unknown format") from error
    except Image.DecompressionBombError as error:
        raise Undecodable("bomb", "it claims to have more pixels than is safe to decode") from error
    except Exception as error:  # Pillow's decoders raise anything on damaged bytes
        raise Undecodable("damaged", f"the image data is damaged or cut short ({visible(str(error))})") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow decodes: AVIF came with 11.3."""
    from pillow_heif import register_heif_opener  # 60 ms

    register_heif_opener()
    Image.init()
    return tuple(format for format in FORMATS if format in Image.OPEN)


def _decoded(image: ImageFile.ImageFile, content: bytes, least_side: int | None) -> Decoded:
    header = _header(image, content)
    if least_side is not None:
        image.draft(None, (least_side, least_side))  # type: ignore[arg-type] - Pillow takes None for "any mode"
    image.load()
    picture = _upright(image, _reduced(image, least_side))
    alpha = None
    if picture.has_transparency_data and not picture.mode.startswith("I"):  # greys of which Pillow has none with alpha
        alpha = picture.convert("RGBA").getchannel("A")
        share = alpha.histogram()[255] / (alpha.width * alpha.height)
        header = replace(header, transparent=round(1 - share, 6))
    return Decoded(_to_srgb(picture, alpha, header.bits), header, alpha)


def _header(image: ImageFile.ImageFile, content: bytes) -> Header:
    if image.format == "JPEG" and _ends_in_zeros(content):
        raise Undecodable("damaged", "its end is missing: only zeros are in its place")
    return read_header(image, content)


def _upright(image: ImageFile.ImageFile, picture: Image.Image) -> Image.Image:
    """The picture, of the opened image, turned as its EXIF says."""
    turn = _TURNS.get(orientation_of(image))
    return picture if turn is None else picture.transpose(turn)


def _ends_in_zeros(jpeg: bytes) -> bool:
    """Whether its scan never ends, and zeros follow: a broken download leaves that, and libjpeg takes it for grey."""
    return jpeg.endswith(bytes(ZEROS)) and jpeg.rfind(b"\xff\xd9") < jpeg.rfind(b"\xff\xda")


def _times(side: int, least: int) -> int:
    """By which a side can be divided, 1, 2, 4, ..., so that it keeps the least."""
    times = 1
    while side >= 2 * times * least:
        times *= 2
    return times


def _reduced(image: Image.Image, least_side: int | None) -> Image.Image:
    times = 1 if least_side is None else _times(min(image.size), least_side)
    if times == 1:
        return image
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode.startswith("I;16"):
        image = image.convert("I")
    elif image.mode in {"P", "PA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(times)


def _to_srgb(image: Image.Image, alpha: Image.Image | None, bits: int) -> Image.Image:
    """8-bit sRGB, over white where `alpha` is not opaque. Pixels only: EXIF, with its GPS position, stays behind."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image, bits)
    elif image.mode not in {"RGB", "CMYK", "L"}:
        image = image.convert("RGB")
    rgb = _through_profile(image, profile) if profile else image.convert("RGB")
    if alpha is None:
        rgb.info = {}
        return rgb
    clean = Image.new("RGB", rgb.size, "white")
    clean.paste(rgb, mask=alpha)
    return clean


def _eight_bit(image: Image.Image, bits: int) -> Image.Image:
    """Rescale 16-bit, 32-bit and float greys: `convert` would clip them at 255."""
    import numpy as np

    values = np.nan_to_num(np.array(image, dtype=np.float32), copy=False).clip(0.0)
    full_scales = (65535.0,) if bits == 16 else (1.0, 255.0, 65535.0)
    peak = float(values.max(initial=0.0))
    values *= 255.0 / next((scale for scale in full_scales if peak <= scale), peak)
    return Image.fromarray(values.round().astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if means_srgb(ImageCms.getProfileDescription(source).strip()):
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a broken profile, or one for another colour space
        return image.convert("RGB")
    return converted or image.convert("RGB")
