"""The shapes that photos are cropped to: SDXL's aspect-ratio buckets, what covers them, and the size conditioning."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from curation.crops import Focus

Size = tuple[int, int]
"""(height, width) in pixels."""

LEAST_AREA = 0.9
WIDEST = 4.0
MIDDLE: Focus = (0.5, 0.5)


@dataclass(frozen=True)
class Crop:
    """A rectangle in a photo that was resized to cover it. flip: the photo is mirrored before it is cropped."""

    top: int
    left: int
    height: int
    width: int
    flip: bool = False

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom), as Pillow crops."""
        return self.left, self.top, self.left + self.width, self.top + self.height


@cache
def bucket_sizes(resolution: int) -> tuple[Size, ...]:
    """The shapes of a resolution's buckets, from the tallest to the widest.

    Sides are multiples of a sixteenth of the resolution (8 at least, 64 at most, and a multiple of 8); the area is 90
    to 100 % of the square's, and no side more than four times the other.  At 1024 that gives exactly the 41 shapes on
    which SDXL was trained (Podell et al., 2023, arXiv:2307.01952, appendix I).
    """
    step = min(64, max(8, resolution // 16 // 8 * 8))
    square = resolution * resolution
    sides = range(step, 2 * resolution + 1, step)
    oblong = [
        (height, width)
        for height in sides
        for width in sides
        if height != width
        and LEAST_AREA * square <= height * width <= square
        and max(height, width) <= WIDEST * min(height, width)
    ]
    return tuple(sorted([(resolution, resolution), *oblong], key=lambda size: size[1] / size[0]))


def crop_sizes(resolution: int, aspect_ratio_buckets: bool) -> tuple[Size, ...]:
    """The shapes that photos are cropped to: those of the buckets, or the square alone."""
    return bucket_sizes(resolution) if aspect_ratio_buckets else ((resolution, resolution),)


def nearest_size(photo: Size, sizes: Iterable[Size]) -> Size:
    """The one of `sizes` whose aspect ratio is nearest to the photo's, on a logarithmic scale: it is cropped least."""
    aspect = math.log(photo[1] / photo[0])
    return min(sizes, key=lambda size: abs(math.log(size[1] / size[0]) - aspect))


def covering_size(photo: Size, size: Size) -> Size:
    """What the photo is resized to, up or down, so that it just covers `size`."""
    scale = max(size[0] / photo[0], size[1] / photo[1])
    return max(size[0], round(photo[0] * scale)), max(size[1], round(photo[1] * scale))


def crop_around(photo: Size, size: Size, focus: Focus, flip: bool = False) -> Crop:
    """The crop of shape `size` out of the covering photo whose centre is nearest to the focus, and that lies inside.

    photo: upright.  flip: the same part of the mirrored photo.
    """
    height, width = covering_size(photo, size)
    across, down = focus
    left = _nearest_offset(1 - across if flip else across, width, size[1])
    return Crop(_nearest_offset(down, height, size[0]), left, *size, flip)


def _nearest_offset(centre: float, whole: int, length: int) -> int:
    """In pixels; of two that are as near, the first."""
    return min(max(math.ceil(centre * whole - length / 2 - 0.5), 0), whole - length)


def time_ids(photo: Size, crop: Crop) -> tuple[int, int, int, int, int, int]:
    """SDXL's size conditioning (Podell et al., 2023, arXiv:2307.01952, section 2.2).

    The photo's own height and width, upright; the crop's top and left in the resized photo; the crop's height and
    width.
    """
    return (*photo, crop.top, crop.left, crop.height, crop.width)
