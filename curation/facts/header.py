"""What a photo's file says about itself: read from its header, before its pixels are decoded."""

import io
from dataclasses import dataclass
from typing import Any, Literal

from PIL import ExifTags, Image, ImageCms

Fault = Literal["unopened", "damaged", "bomb", "unsupported"]


@dataclass(frozen=True)
class Header:
    """width, height: in pixels, upright.  format, mode: Pillow's words.  orientation: EXIF's, 1 is upright.

    frames: pictures of an animation or pages.  bits: of a channel.  alpha: whether it has transparency.
    profile: the ICC profile's own name, "" without one.  gps: whether the EXIF tells a position.
    taken: seconds, from the EXIF's local time, good for differences only.  camera: maker and model.
    jpeg_quality: on the scale of the Independent JPEG Group, 1 to 100.
    """

    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    orientation: int = 1
    frames: int = 1
    bits: int = 8
    alpha: bool = False
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


def read_header(image: Image.Image) -> Header:
    """Of an opened image whose pixels are not decoded yet. Raises whatever Pillow raises on damaged bytes."""
    orientation = orientation_of(image)
    width, height = image.size if orientation < 5 else image.size[::-1]
    exif = image.getexif()
    return Header(
        width=width,
        height=height,
        format=image.format or "",
        mode=image.mode,
        orientation=orientation,
        frames=1 if image.format == "MPO" else getattr(image, "n_frames", 1),
        bits=16 if image.mode.startswith("I") or image.mode == "F" else 8,
        alpha=image.has_transparency_data,
        profile=_profile_name(image.info.get("icc_profile")),
        gps=bool(exif.get_ifd(ExifTags.IFD.GPSInfo)),
        camera=" ".join(str(exif.get(tag, "")) for tag in (ExifTags.Base.Make, ExifTags.Base.Model)).strip(),
    )


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation: 2 to 8 for pixels stored turned or mirrored, else 1. Some cameras write 0, to no effect."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return int(orientation) if orientation in range(2, 9) else 1


def _profile_name(profile: Any) -> str:
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip() or "unnamed"
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "broken"
