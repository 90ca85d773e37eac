"""What tells copies of a photo: perceptual hashes of it and of its mirror image, and its colours."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from curation.facts.pixels import Pixels

SIDE = 64
"""Pixels: the square that is hashed. imagehash takes five times as long for 256, to the same result but for a bit."""

COLOUR_SIDE = 32


@dataclass(frozen=True)
class Hashes:
    """Perceptual hashes as integers.  dhash, phash: 64 bits.  fine: dHash of 144 bits."""

    dhash: int
    phash: int
    fine: int


@dataclass(frozen=True)
class HashFacts:
    """upright, mirrored: of the photo, and of it flipped left to right.  colours: see `colour_counts`."""

    upright: Hashes
    mirrored: Hashes
    colours: bytes


def measure_hashes(pixels: Pixels) -> HashFacts:
    """Hash one photo."""
    import cv2

    grey = Image.fromarray(cv2.resize(pixels.grey_1024, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return HashFacts(hashes_of(grey), hashes_of(ImageOps.mirror(grey)), colour_counts(pixels.rgb_1024))


def colour_counts(rgb: np.ndarray) -> bytes:
    """How much of each colour a photo has: 64 bytes, the square roots of the shares (0 to 255) in Lab, 4 x 4 x 4.

    rgb: uint8, (height, width, 3). The dot product of two is the Bhattacharyya coefficient: 1 for the same colours.
    """
    import cv2

    lab = cv2.cvtColor(cv2.resize(rgb, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    lab[..., 1:] = lab[..., 1:].clip(64, 191)  # photographs use the middle of a and b
    counts = cv2.calcHist([lab], [0, 1, 2], None, [4, 4, 4], [0, 256, 64, 192, 64, 192])
    return np.sqrt(counts.ravel() / COLOUR_SIDE**2 * 255**2).round().astype(np.uint8).tobytes()


def colour_likeness(one: bytes, other: bytes) -> float:
    """The Bhattacharyya coefficient of two photos' colours: 0 for none in common, 1 for the same."""
    mine, theirs = (np.frombuffer(colours, np.uint8).astype(np.float64) for colours in (one, other))
    return float(mine @ theirs / max(1.0, float(np.linalg.norm(mine) * np.linalg.norm(theirs))))


def hashes_of(grey: Image.Image) -> Hashes:
    """Hash a grey picture, 64 pixels wide and high."""
    import imagehash

    found = (imagehash.dhash(grey), imagehash.phash(grey), imagehash.dhash(grey, hash_size=12))
    return Hashes(*(int(str(value), 16) for value in found))
