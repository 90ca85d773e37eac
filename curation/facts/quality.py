"""How good a photo is as a picture: sharpness, light, borders."""

from dataclasses import dataclass

import numpy as np

from curation.facts.borders import Borders, find_borders
from curation.facts.pixels import Pixels
from curation.facts.sharpness import detail, directional_blur, sharpness

DARK, BRIGHT = 4, 251
SHADOW, LIGHT = 24, 231


@dataclass(frozen=True)
class Tones:
    """Of the greys, at a longer side of 1024 pixels.

    black, white: shares of pixels from 0 to 4 and from 251 to 255.  middle: share of those from 24 to 231.
    brightest: the grey that 99 % of the pixels do not exceed.  deviation: standard deviation, of 255.
    entropy: bits, 8 at most.
    """

    black: float
    white: float
    middle: float
    brightest: int
    deviation: float
    entropy: float


@dataclass(frozen=True)
class QualityFacts:
    """sharpness, detail, directional_blur: see curation.facts.sharpness.  borders: bars of one colour.

    detail is measured on the pixels as they are in photos whose shorter side has less than 2048; a larger photo is
    halved until it has, since what is finer than that never reaches training at 1024.
    """

    sharpness: float
    detail: tuple[float, float, float]
    directional_blur: tuple[float, float, float, float]
    tones: Tones
    borders: Borders


def measure_quality(pixels: Pixels) -> QualityFacts:
    """Measure one photo."""
    full, half, quarter = detail(pixels.grey)
    along_width, along_height, falling, rising = directional_blur(pixels.grey_1024)
    return QualityFacts(
        sharpness=round(sharpness(pixels.grey_1024), 1),
        detail=(round(full, 3), round(half, 3), round(quarter, 3)),
        directional_blur=(round(along_width, 3), round(along_height, 3), round(falling, 3), round(rising, 3)),
        tones=measure_tones(pixels.grey_1024),
        borders=find_borders(pixels.rgb_1024),
    )


def measure_tones(grey: np.ndarray) -> Tones:
    """Measure how light is spread. grey: uint8, (height, width)."""
    import cv2

    counts = cv2.calcHist([grey], [0], None, [256], [0.0, 256.0]).ravel().astype(np.float64)
    shares = counts / counts.sum()
    greys = np.arange(256)
    present = shares[shares > 0]
    return Tones(
        black=round(float(shares[: DARK + 1].sum()), 4),
        white=round(float(shares[BRIGHT:].sum()), 4),
        middle=round(float(shares[SHADOW : LIGHT + 1].sum()), 4),
        brightest=int(np.searchsorted(shares.cumsum(), 0.99)),
        deviation=round(float(np.sqrt(shares @ np.square(greys - shares @ greys))), 2),
        entropy=round(float(-(present * np.log2(present)).sum()), 3),
    )
