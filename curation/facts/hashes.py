"""What tells copies of a photo: a hash of its pixels, and perceptual hashes of it and of its mirror image."""

import hashlib
from dataclasses import dataclass

from PIL import Image, ImageOps

from curation.facts.pixels import Pixels


@dataclass(frozen=True)
class Hashes:
    """Perceptual hashes as integers.  dhash, phash: 64 bits.  fine: dHash of 144 bits."""

    dhash: int
    phash: int
    fine: int


@dataclass(frozen=True)
class HashFacts:
    """pixels: hash of the decoded pixels.  upright, mirrored: of the photo, and of it flipped left to right."""

    pixels: str
    upright: Hashes
    mirrored: Hashes


def measure_hashes(pixels: Pixels) -> HashFacts:
    """Hash one photo."""
    image = pixels.image
    small = Image.fromarray(pixels.rgb_1024).resize((256, 256)).convert("L")
    return HashFacts(
        pixels=hashlib.blake2b(f"{image.size}".encode() + image.tobytes(), digest_size=16).hexdigest(),
        upright=_hashes(small),
        mirrored=_hashes(ImageOps.mirror(small)),
    )


def _hashes(grey: Image.Image) -> Hashes:
    import imagehash

    found = (imagehash.dhash(grey), imagehash.phash(grey), imagehash.dhash(grey, hash_size=12))
    return Hashes(*(int(str(value), 16) for value in found))
