"""Photos to lint, of any size and number: cuts of scikit-image's photographs with detail at every scale.

A cut that is only enlarged compresses to nothing and decodes in no time. So each gets the fine structure of another
photograph, at its own pixel size, which brings the files to what cameras write: 0.4 to 0.7 MB at 2.4 megapixels.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket")
QUALITY = 90
DETAIL = 0.6
"""Of the fine structure's contrast."""


def make_photos(folder: Path, megapixels: float, count: int) -> None:
    """Write `count` different JPEGs, 4:3, 00000.jpg and so on. The same arguments make the same photos."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    sources = [np.asarray(Image.fromarray(getattr(data, name)()).convert("RGB")) for name in PHOTOGRAPHS]
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    for number in range(count):
        scene = _cut(sources[random.integers(len(sources))], random)
        scene = cv2.resize(scene, (width, width * 3 // 4), interpolation=cv2.INTER_CUBIC)
        detail = _detail(sources[random.integers(len(sources))], scene.shape, random)
        photo = np.clip(scene + DETAIL * detail, 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"{number:05}.jpg", quality=QUALITY)


def hashed_cuts(count: int) -> np.ndarray:
    """Grey pictures to be hashed, uint8, (count, 64, 64): two cuts laid over each other, so that few are alike."""
    random = np.random.default_rng(1)
    sources = [np.asarray(Image.fromarray(getattr(data, name)()).convert("L")) for name in PHOTOGRAPHS]

    def small_cut() -> np.ndarray:
        cut = _cut(sources[random.integers(len(sources))], random)
        return cv2.resize(cut, (64, 64), interpolation=cv2.INTER_AREA)

    return np.stack([cv2.addWeighted(small_cut(), 0.5, small_cut(), 0.5, 0) for _ in range(count)])


def _cut(source: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random part of a photograph, of 20 to 90 % of its sides, turned over at random."""
    height, width = (int(side * random.uniform(0.2, 0.9)) for side in source.shape[:2])
    top, left = random.integers(source.shape[0] - height), random.integers(source.shape[1] - width)
    part = source[top : top + height, left : left + width]
    return np.ascontiguousarray(part[:, ::-1] if random.random() < 0.5 else part)


def _detail(source: np.ndarray, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """What is finer than 3 pixels in a photograph, mirrored again and again to fill the shape; float32."""
    fine = source.astype(np.float32)
    fine -= cv2.GaussianBlur(fine, (0, 0), 3)
    top, left = (int(random.integers(side)) for side in fine.shape[:2])
    bottom, right = (
        max(0, wanted + start - side) for wanted, start, side in zip(shape, (top, left), fine.shape, strict=False)
    )
    filled = np.pad(fine, ((0, bottom), (0, right), (0, 0)), mode="symmetric")
    return filled[top : top + shape[0], left : left + shape[1]]
