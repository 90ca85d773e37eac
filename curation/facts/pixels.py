"""One decoded photo, and the sizes of it that the measurements share."""

from functools import cached_property

import numpy as np
from PIL import Image


class Pixels:
    """image: 8-bit RGB, upright, at its own size, or reduced with a shorter side of at least 1024 pixels."""

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

        scale = 1024 / max(self.image.size)
        filter = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
        return cv2.resize(self.rgb, self._scaled(scale), interpolation=filter)

    @cached_property
    def grey_1024(self) -> np.ndarray:
        """uint8, (height, width), with a longer side of 1024 pixels, each the mean of the area that it covers."""
        import cv2

        scale = 1024 / max(self.image.size)
        filter = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        return cv2.resize(self.grey, self._scaled(scale), interpolation=filter)

    def _scaled(self, scale: float) -> tuple[int, int]:
        return max(1, round(self.image.width * scale)), max(1, round(self.image.height * scale))
