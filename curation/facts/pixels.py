"""The sizes of one decoded photo that the measurements share."""

from functools import cached_property

import numpy as np
from PIL import Image

WORKING_SIDE = 1024
"""Pixels of the longer side to which photos of all sizes are brought, so that what is measured can be compared."""

NEARLY = 1000
"""Pixels of the longer side from which a photo in grey stays as it is: a quarter of what most cameras and phones make
(4000 x 3000, 4032 x 3024), to which their JPEGs are decoded in no more time than it takes to read their bits."""


class Pixels:
    """A photo in colour. image: 8-bit RGB, upright, at its own size, or reduced with a shorter side of 1024 or more."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    @cached_property
    def rgb(self) -> np.ndarray:
        """uint8, (height, width, 3)."""
        return np.asarray(self.image)

    @cached_property
    def grey(self) -> np.ndarray:
        """uint8, (height, width)."""
        import cv2

        return cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY)

    @cached_property
    def rgb_1024(self) -> np.ndarray:
        """uint8, (height, width, 3), with a longer side of 1024 pixels, enlarged if need be; for colours, not detail.

        Where the sides are not whole multiples, a mean over areas takes four times as long as one between neighbours.
        """
        import cv2

        size = _size(self.rgb, WORKING_SIDE)
        filter = cv2.INTER_CUBIC if max(size) > max(self.image.size) else cv2.INTER_LINEAR
        return cv2.resize(self.rgb, size, interpolation=filter)


def grey_1024(image: Image.Image) -> np.ndarray:
    """A photo in grey, uint8, (height, width), with a longer side of 1000 to 1024 pixels, enlarged if need be.

    It is halved (means of 2 x 2 pixels) as often as it can be, and of what is left each pixel is the mean of the area
    that it covers; nearly so, and in half of the time, where it is resized between neighbours to twice its size and
    halved, which softens what is hardly reduced.
    """
    import cv2

    grey = np.asarray(image if image.mode == "L" else image.convert("L"))
    while max(grey.shape) >= 2 * NEARLY:
        grey = halved(grey)
    if max(grey.shape) > 1.5 * WORKING_SIDE:
        return halved(cv2.resize(grey, _size(grey, 2 * WORKING_SIDE), interpolation=cv2.INTER_LINEAR))
    if max(grey.shape) > WORKING_SIDE:
        return cv2.resize(grey, _size(grey, WORKING_SIDE), interpolation=cv2.INTER_AREA)
    if max(grey.shape) >= NEARLY:
        return grey
    return cv2.resize(grey, _size(grey, WORKING_SIDE), interpolation=cv2.INTER_CUBIC)


def halved(grey: np.ndarray) -> np.ndarray:
    """The picture at half its size; an odd last line is left out, which makes it ten times as fast."""
    import cv2

    size = max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2)
    return cv2.resize(grey[: 2 * size[1], : 2 * size[0]], size, interpolation=cv2.INTER_AREA)


def _size(picture: np.ndarray, longer_side: int) -> tuple[int, int]:
    """Its width and height when its longer side has so many pixels."""
    height, width = picture.shape[:2]
    scale = longer_side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))
