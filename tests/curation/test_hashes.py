"""Hashes are those of imagehash, of a photo and of its mirror image."""

from collections.abc import Callable

import imagehash
import pytest
from PIL import Image, ImageOps

from curation.facts.hashes import Hashes, hashes_of


def reference(grey: Image.Image) -> Hashes:
    found = (imagehash.dhash(grey), imagehash.phash(grey), imagehash.dhash(grey, hash_size=12))
    return Hashes(*(int(str(value), 16) for value in found))


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "rocket"])
def test_a_photo_and_its_mirror_image_hash_as_imagehash_has_them(sample: Callable[..., Image.Image], name: str) -> None:
    grey = sample(name).convert("L").resize((64, 64))
    found = hashes_of(grey)
    assert found.upright == reference(grey)
    assert found.mirrored == reference(ImageOps.mirror(grey))


@pytest.mark.parametrize("level", [0, 77, 128, 255])
def test_a_flat_picture_has_the_hash_of_its_mirror_image(level: int) -> None:
    flat = Image.new("L", (64, 64), level)
    assert hashes_of(flat).upright == hashes_of(flat).mirrored == reference(flat)
