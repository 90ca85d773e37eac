"""What a photo's file says about itself: read from its header, before its pixels are decoded."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms

Fault = Literal["unopened", "damaged", "bomb", "unsupported"]

LONGEST_NAME = 64
"""Characters of a camera's or profile's name that are kept: damaged metadata can hold thousands."""

_DAMAGE = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError)
_DAMAGED_EXIF = (*_DAMAGE, struct.error)
"""What Pillow raises on damaged metadata, which makes no decodable photo unreadable."""


@dataclass(frozen=True)
class Header:
    """width, height: in pixels, upright.  format, mode: Pillow's words.  orientation: EXIF's, 1 is upright.

    frames: pictures of an animation, or pages.  bits: of a channel, before decoding.
    transparent: share of the pixels that are not opaque.  profile: the ICC profile's own name, "" without one.
    gps: whether the EXIF or the XMP tells a position.  taken: seconds, from the EXIF's local time, good for
    differences only.  camera: maker and model.
    jpeg_quality: on the scale of the Independent JPEG Group, 1 to 100.
    """

    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    orientation: int = 1
    frames: int = 1
    bits: int = 8
    transparent: float = 0.0
    profile: str = ""
    gps: bool = False
    taken: float | None = None
    camera: str = ""
    jpeg_quality: int | None = None

    @property
    def short_side(self) -> int:
        return min(self.width, self.height)


@dataclass(frozen=True)
class FileFacts:
    """sha256: of the file's bytes, "" when it could not be opened.

    unreadable: why it cannot be decoded, or None; `fault` is the same in a word.
    """

    sha256: str
    header: Header = Header()
    unreadable: str | None = None
    fault: Fault | None = None


def read_header(image: Image.Image, content: bytes) -> Header:
    """Of an opened image whose pixels are not decoded yet, all but `transparent`, which takes the pixels.

    content: the file's bytes. Raises whatever Pillow raises on damaged pictures; not for damaged metadata.
    """
    bits = _bits(image, content)  # before the EXIF: that decodes a PNG, and what tells its bits is gone then
    orientation = orientation_of(image)
    width, height = image.size if orientation < 5 else image.size[::-1]
    exif = _exif(image)
    return Header(
        width=width,
        height=height,
        format=image.format or "",
        mode=image.mode,
        orientation=orientation,
        # The further pictures of an MPO are views of the same scene, or previews.
        frames=1 if image.format == "MPO" else getattr(image, "n_frames", 1),
        bits=bits,
        profile=_profile_name(image.info.get("icc_profile")),
        gps=_tells_position(image, exif),
        taken=_taken(_ifd(exif, ExifTags.IFD.Exif)),
        camera=" ".join(_words(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model)).strip(),
        jpeg_quality=_jpeg_quality(getattr(image, "quantization", None)),
    )


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation: 2 to 8 for pixels stored turned or mirrored, else 1. Some cameras write 0, to no effect."""
    orientation = _exif(image).get(ExifTags.Base.Orientation, 1)
    return int(orientation) if orientation in range(2, 9) else 1


def means_srgb(profile: str) -> bool:
    """Whether a profile's name says sRGB: "sRGB IEC61966-2.1", "sRGB built-in", and the web's tiny "c2" and "uRGB"."""
    return ("srgb" in profile.lower() and "linear" not in profile.lower()) or profile in {"c2", "c2ci", "uRGB"}


def _exif(image: Image.Image) -> Image.Exif:
    if image.format == "PNG":
        image.load()  # as its EXIF may stand after its pixels; here, so that damaged pixels are not taken for EXIF
    try:
        return image.getexif()
    except _DAMAGED_EXIF:
        return Image.Exif()


def _ifd(exif: Image.Exif, tag: ExifTags.IFD) -> Mapping[int, Any]:
    try:
        return exif.get_ifd(tag)
    except _DAMAGED_EXIF:
        return {}


def _words(value: Any) -> str:
    return value.strip(" \0")[:LONGEST_NAME] if isinstance(value, str) else ""


def _bits(image: Image.Image, content: bytes) -> int:
    """Pillow opens 16-bit colour as 8-bit "RGB"; what the file holds stands elsewhere in each format."""
    if image.mode in {"I", "F"}:
        return 32
    if image.mode.startswith("I;16"):
        return 16
    if image.format == "AVIF":  # AV1 Codec ISO Media File Format Binding 2.3.3: the flags high_bitdepth, twelve_bit
        flags = (content.partition(b"av1C")[2][2:3] or b"\0")[0]
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    if image.format == "PNG":
        return 16 if any("16" in str(tile[3]) for tile in getattr(image, "tile", ())) else 8
    if image.format == "TIFF":
        stored = getattr(image, "tag_v2", {}).get(258, (8,))  # BitsPerSample
        return 16 if isinstance(stored, tuple) and max(stored, default=8) == 16 else 8
    depth = image.info.get("bit_depth", 8)  # pillow-heif tells it
    return depth if isinstance(depth, int) else 8


def _profile_name(profile: Any) -> str:
    if not profile:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, *_DAMAGE):
        return "broken"
    return _words(name.strip()) or "unnamed"


def _tells_position(image: Image.Image, exif: Image.Exif) -> bool:
    gps = _ifd(exif, ExifTags.IFD.GPSInfo)
    if ExifTags.GPS.GPSLatitude in gps or ExifTags.GPS.GPSLongitude in gps:
        return True
    packets = (image.info.get(key) for key in ("xmp", "XML:com.adobe.xmp"))
    return any("GPSLatitude" in (p.decode("latin-1") if isinstance(p, bytes) else str(p)) for p in packets)


def _taken(exif: Mapping[int, Any]) -> float | None:
    """DateTimeOriginal with its fraction of a second, as seconds since 1970, as if it were UTC."""
    text = exif.get(ExifTags.Base.DateTimeOriginal)
    try:
        moment = datetime.strptime(_words(text), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    fraction = _words(exif.get(ExifTags.Base.SubsecTimeOriginal))
    return moment.timestamp() + (float(f"0.{fraction}") if fraction.isascii() and fraction.isdigit() else 0.0)


# The luminance table of ITU T.81 annex K, that the IJG's encoder scales by its quality.
_STANDARD_TABLE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22),
        *(29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103),
        *(121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)


def _table_sums() -> np.ndarray:
    """Of the luminance table at each quality from 1 to 100, as the IJG's jpeg_quality_scaling makes it."""
    qualities = np.arange(1, 101)
    scales = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    return ((_STANDARD_TABLE * scales[:, None] + 50) // 100).clip(1, 255).sum(axis=1)


_TABLE_SUMS = _table_sums()


def _jpeg_quality(quantization: Any) -> int | None:
    """The quality whose luminance table has the nearest sum: exact for the IJG's tables, an estimate for others."""
    if not isinstance(quantization, dict) or 0 not in quantization:
        return None
    return int(np.abs(_TABLE_SUMS - sum(quantization[0])).argmin()) + 1
