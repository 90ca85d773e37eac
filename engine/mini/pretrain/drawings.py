"""The pictures of pre-training: scenes by their number, drawn once, kept in the working folder."""

import math
import multiprocessing
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.mini.drawing import draw
from engine.mini.world import RESOLUTION, Scene, seen_scene

SQUARE = (RESOLUTION, RESOLUTION)
OBLONG = ((80, 48), (48, 80), (72, 56), (56, 72))
"""Heights and widths of the other buckets, which get a fifth of the pictures in all."""
CROPPED = 0.15
"""Share of the square pictures that are cut out of a longer one, so that the crop's place means something."""
CHUNK = 500

Size = tuple[int, int]


@dataclass(frozen=True)
class Picture:
    """One drawing.  canvas: height and width before the crop.  corner: the crop's top and left.  size: what is left."""

    scene: Scene
    canvas: Size
    corner: Size
    size: Size

    def pixels(self) -> np.ndarray:
        """uint8, shape (height, width, 3)."""
        top, left = self.corner
        drawn = np.asarray(draw(self.scene, self.canvas[1], self.canvas[0]))
        return drawn[top : top + self.size[0], left : left + self.size[1]]


def picture(seed: int, size: Size, number: int) -> Picture:
    """The picture of that number among those of its size."""
    draws = random.Random(f"{seed} {size} {number}")
    scene = seen_scene(draws)
    if size != SQUARE or draws.random() >= CROPPED:
        return Picture(scene, size, (0, 0), size)
    longer = draws.randint(4, 24)
    across = draws.random() < 0.5
    canvas = (size[0], size[1] + longer) if across else (size[0] + longer, size[1])
    cut = draws.choice([longer // 2, draws.randint(0, longer)])
    return Picture(scene, canvas, (0, cut) if across else (cut, 0), size)


def counts(pictures: int) -> dict[Size, int]:
    """How many of the pictures have each size, in whole chunks."""
    each = max(1, pictures // 5 // len(OBLONG) // CHUNK) * CHUNK
    return {SQUARE: math.ceil(0.8 * pictures / CHUNK) * CHUNK} | dict.fromkeys(OBLONG, each)


def drawings(folder: Path, seed: int, pictures: int, processes: int) -> dict[Size, np.ndarray]:
    """All pictures by size, uint8, shape (pictures, height, width, 3), drawn where they are not yet on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    return {size: _drawn(folder, seed, size, count, processes) for size, count in counts(pictures).items()}


def _drawn(folder: Path, seed: int, size: Size, count: int, processes: int) -> np.ndarray:
    path = folder / f"drawings-{size[0]}x{size[1]}-{count}.npy"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        array = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (count, *size, 3))
        # Spawned, because torch's threads do not live on in a forked process.
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            chunks = pool.imap(partial(_chunk, seed, size), range(0, count, CHUNK))
            for start, pixels in zip(range(0, count, CHUNK), chunks, strict=True):
                array[start : start + CHUNK] = pixels
        array.flush()
        unfinished.rename(path)
    return np.load(path, mmap_mode="r")


def _chunk(seed: int, size: Size, start: int) -> np.ndarray:
    return np.stack([picture(seed, size, number).pixels() for number in range(start, start + CHUNK)])
