"""How far the estimate of a subject's size is off: cut-outs of known area on backgrounds of other photos.

Run: python benchmarks/subject_size.py [PHOTOS]   PHOTOS: a folder of photographs with the subject in the middle, which
give both cut-outs and backgrounds; else scikit-image's samples, on which the estimate was chosen.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

from curation.dataset import photo_files
from curation.facts.pixels import Pixels
from curation.photo import load_rgb
from curation.subject import SURE, SubjectFacts, measure_subject

AREAS = (0.003, 0.01, 0.03, 0.1, 0.25, 0.45)
WIDTH, HEIGHT = 1024, 768
ASPECT = {"ellipse": 1.2, "horse": 0.85, "figure": 2.6}  # height over width
SHARE = {"ellipse": np.pi / 4, "horse": 0.45, "figure": 0.75}  # of its box, about


def samples() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cut-out textures and backgrounds from scikit-image."""
    textures = [data.astronaut()[20:300, 100:370], data.chelsea()[20:260, 100:350], data.coffee()[80:320, 150:450]]
    tints = ((data.grass(), (0.7, 1, 0.6)), (data.gravel(), (1, 0.95, 0.85)), (data.brick(), (1, 0.7, 0.6)))
    tinted = [(grey[..., None] * np.array(tint)).astype(np.uint8) for grey, tint in tints]
    return textures, [*tinted, data.rocket()[:200], data.coffee()[:120]]


def from_photos(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The middle of each photo as a texture, its upper left corner as a background."""
    textures, backgrounds = [], []
    for path in sorted(photo_files(folder)):
        image = load_rgb(path)
        image.thumbnail((512, 512))
        rgb, (height, width) = np.asarray(image), (image.height, image.width)
        textures.append(rgb[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4])
        backgrounds.append(rgb[: int(0.4 * height), : int(0.4 * width)])
    return textures, backgrounds


def silhouette(shape: str, width: int, height: int) -> np.ndarray:
    """Bool, (height, width): an ellipse, scikit-image's horse, or head, trunk and legs of a standing figure."""
    mask = np.zeros((height, width), np.uint8)
    if shape == "horse":
        horse = (~data.horse()).astype(np.uint8)
        rows, columns = np.flatnonzero(horse.any(axis=1)), np.flatnonzero(horse.any(axis=0))
        cut = horse[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cv2.resize(cut, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    middle = width // 2
    if shape == "ellipse":
        cv2.ellipse(mask, (middle, height // 2), (middle - 1, height // 2 - 1), 0, 0, 360, 1, -1)
    else:
        cv2.ellipse(mask, (middle, int(0.1 * height)), (int(0.22 * width), int(0.1 * height)), 0, 0, 360, 1, -1)
        cv2.ellipse(mask, (middle, int(0.42 * height)), (int(0.48 * width), int(0.24 * height)), 0, 0, 360, 1, -1)
        cv2.rectangle(mask, (int(0.2 * width), height // 2), (int(0.8 * width), height - 1), 1, -1)
    return mask > 0


def composites(
    textures: Sequence[np.ndarray], backgrounds: Sequence[np.ndarray]
) -> Iterator[tuple[float, float, np.ndarray]]:
    """Wanted area, true area, picture. The cut-outs stand anywhere but at the edge, with soft outlines."""
    rng = np.random.default_rng(1)
    for area in AREAS:
        for background in backgrounds:
            for shape, aspect in ASPECT.items():
                width = int(np.sqrt(area * HEIGHT * WIDTH / SHARE[shape] / aspect))
                height = int(width * aspect)
                if height >= HEIGHT:
                    continue
                mask = silhouette(shape, width, height)
                texture = cv2.resize(textures[int(rng.integers(len(textures)))], (width, height))
                picture = cv2.resize(background, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
                top = int((HEIGHT - height) * rng.uniform(0.3, 0.7))
                left = int((WIDTH - width) * rng.uniform(0.3, 0.7))
                alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
                under = picture[top : top + height, left : left + width]
                under[:] = alpha * texture + (1 - alpha) * under
                yield area, mask.sum() / (HEIGHT * WIDTH), picture


def table(measured: Sequence[tuple[float, float, SubjectFacts]]) -> Iterator[str]:
    """One line for each area: all estimates, and those that are sure. 80 % of them lie within the factor."""
    yield "area     all: median factor, 80 % within    sure: share, median factor, 80 % within"
    for area in AREAS:
        of_area = [(true, facts) for wanted, true, facts in measured if wanted == area]
        sure = [(true, facts) for true, facts in of_area if facts.confidence >= SURE]
        share = len(sure) / max(1, len(of_area))
        yield f"{area:5.1%}         {_factors(of_area):24}          {share:4.0%}   {_factors(sure)}"


def _factors(of_area: Sequence[tuple[float, SubjectFacts]]) -> str:
    if not of_area:
        return "none"
    errors = [np.log2(max(facts.area, 1e-4) / true) for true, facts in of_area]
    return f"x{2 ** np.median(errors):.2f}   x{2 ** np.percentile(np.abs(errors), 80):.2f}"


def main(folder: Path | None) -> None:
    textures, backgrounds = from_photos(folder) if folder else samples()
    pictures = list(composites(textures, backgrounds))
    started = time.perf_counter()
    measured = [(area, true, measure_subject(Pixels(Image.fromarray(picture)))) for area, true, picture in pictures]
    seconds = time.perf_counter() - started
    lines = [*table(measured), f"{len(measured)} composites, {1000 * seconds / len(measured):.0f} ms each"]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
