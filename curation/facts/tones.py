"""How light a photo is, and how its greys are spread."""

from dataclasses import dataclass

import numpy as np

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
