"""Decoding one photo: to 8-bit sRGB, upright, whole or at reduced scale, and what its file says about itself."""

import functools
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from curation.errors import CurationError
from curation.facts.header import Fault, Header, read_header
from curation.regular import read_regular
from curation.text import visible

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "GIF", "BMP")
"""Pillow's names of what is decoded, whatever a file's name says: EPS, for one, would run as a program."""


@dataclass(frozen=True)
class Decoded:
    """One photo. image: 8-bit RGB, upright, without metadata. header: what its file says about itself."""

    image: Image.Image
    header: Header


class Undecodable(Exception):
    """The bytes are not a whole photo; the message says why, to follow "because"."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault: Fault = fault


def load_rgb(path: Path) -> Image.Image:
    """Decode the whole photo to 8-bit sRGB, upright, alpha over white, without any metadata.

    Raises CurationError, naming the photo, for anything that does not decode to its last byte.
    """
    try:
        return decode(read_regular(path)).image
    except (OSError, Undecodable) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CurationError(
            f"{visible(path.name)} cannot be read: {reason}.", "Replace the file, or leave the photo out."
        ) from error


def decode(content: bytes, least_side: int | None = None) -> Decoded:
    """Decode a file's bytes, to the last one.

    least_side: a JPEG may come at 1/2, 1/4 or 1/8 of its size, as long as its shorter side keeps so many pixels; that
    reads every byte all the same, in a third of the time. Raises Undecodable.
    """
    if not content:
        raise Undecodable("damaged", "the file is empty")
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            header = read_header(image)
            if least_side is not None and header.bits == 8:
                image.draft(None, (least_side, least_side))  # type: ignore[arg-type] - Pillow takes None for "any mode"
            image.load()
            upright = ImageOps.exif_transpose(image)
            return Decoded(_to_srgb(upright), header)
    except UnidentifiedImageError as error:
        raise Undecodable("unsupported", "it is not an image, or of an unknown format") from error
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


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    elif image.mode not in {"RGB", "CMYK", "L"}:
        image = image.convert("RGB")
    rgb = _through_profile(image, profile) if profile else image.convert("RGB")
    # Pixels only: EXIF with its GPS position, thumbnails and XMP stay behind.
    clean = Image.new("RGB", rgb.size, "white")
    clean.paste(rgb, mask=alpha)
    return clean


def _eight_bit(image: Image.Image) -> Image.Image:
    """Rescale 16-bit, 32-bit and float greys: `convert` would clip them at 255."""
    import numpy as np

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    full_scales = (65535.0,) if image.mode.startswith("I;16") else (1.0, 255.0, 65535.0)
    peak = float(values.max(initial=0.0))
    full_scale = next((scale for scale in full_scales if peak <= scale), peak)
    return Image.fromarray((values.clip(0.0) / full_scale * 255.0).round().astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a broken profile, or one for another colour space
        return image.convert("RGB")
    return converted or image.convert("RGB")
