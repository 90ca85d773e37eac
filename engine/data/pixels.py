"""A photo's pixels: measured, resized to cover a shape, cropped."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image, ImageOps

from curation.photo import load, load_rgb
from curation.regular import read_regular
from curation.text import visible
from engine.data.buckets import Crop, Size, covering_size
from engine.errors import EngineError


@dataclass(frozen=True)
class Measured:
    """A photo without its pixels. size: upright.  sha256: of the file's bytes."""

    size: Size
    sha256: str


def measure(path: Path) -> Measured:
    """Read a photo's size and digest; a JPEG is decoded at an eighth, in a third of the time. Raises CurationError."""
    header = load(path, least_side=1).header
    return Measured((header.height, header.width), sha256(read_regular(path)).hexdigest())


def covering(path: Path, size: Size, measured: Measured | None = None) -> Image.Image:
    """The photo in sRGB, upright, resized to just cover `size`.

    Raises CurationError for one that cannot be read, EngineError where it is not the one that was `measured` any more:
    its crops would be another picture's, and so would what is cached of it.
    """
    photo = load_rgb(path)
    if measured and sha256(read_regular(path)).hexdigest() != measured.sha256:
        raise EngineError(
            f"The photo {visible(path.name)} was replaced while the run read it.",
            "Resume the run: it looks at the photos anew and says what has changed.",
        )
    height, width = covering_size((photo.height, photo.width), size)
    return photo.resize((width, height), Image.Resampling.LANCZOS)


def cropped(resized: Image.Image, crop: Crop) -> Image.Image:
    """The crop, of a photo or of its mask."""
    return (ImageOps.mirror(resized) if crop.flip else resized).crop(crop.box)
