"""What training cuts out of a photo, drawn: the box where it is certain, else the two ends of where it may lie."""

from functools import cache

from curation.crops import Focus
from engine.data.buckets import MIDDLE, Crop, Size, covering_size, crop_around, crop_sizes, nearest_size
from engine.settings import DataSection
from loratui.terminal.pictures import Mark

LEAST_ROOM = 0.02
"""Share of a side: with less than that around it, a crop takes the photo whole, and cannot be moved."""


def bucket_of(photo: Size, data: DataSection) -> Size:
    """(height, width) in pixels that training crops a photo of this upright size to."""
    return _nearest(photo, data.resolution, data.aspect_ratio_buckets)


@cache  # of many photos few shapes
def _nearest(photo: Size, resolution: int, aspect_ratio_buckets: bool) -> Size:
    return nearest_size(photo, crop_sizes(resolution, aspect_ratio_buckets))


def takes_whole(photo: Size, data: DataSection) -> bool:
    """Whether training cuts nothing off a photo of this upright size that one could see."""
    mark = crop_mark(photo, data, MIDDLE, "")
    return min(mark.width, mark.height) > 1 - LEAST_ROOM


def crop_marks(photo: Size, data: DataSection, focus: Focus | None) -> tuple[Mark, ...]:
    """The training crop of a photo of this upright size; none where it is the whole photo.

    focus: where a person placed it.
    """
    if takes_whole(photo, data):
        return ()
    if focus:
        return (crop_mark(photo, data, focus, "placed crop"),)
    if data.center_crop:
        return (crop_mark(photo, data, MIDDLE, "crop"),)
    first, last = (crop_mark(photo, data, end, "from here") for end in ((0.0, 0.0), (1.0, 1.0)))
    return first, Mark("to here", last.left, last.top, last.width, last.height)


def crop_mark(photo: Size, data: DataSection, focus: Focus, label: str) -> Mark:
    """The box of the crop around a point."""
    size = bucket_of(photo, data)
    height, width = covering_size(photo, size)
    crop: Crop = crop_around(photo, size, focus)
    return Mark(label, crop.left / width, crop.top / height, crop.width / width, crop.height / height)


def centre(mark: Mark) -> Focus:
    """The point in the middle of a box, to a ten-thousandth."""
    return round(mark.left + mark.width / 2, 4), round(mark.top + mark.height / 2, 4)
