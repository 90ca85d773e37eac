"""Cropping a photo to its subject, where that mends what was found."""

import math
from collections.abc import Sequence
from itertools import product

from curation.checks.rule import SUBJECT
from curation.fixes.box import Box
from curation.report import Finding, Region

MARGIN = 1.0
"""Kept on each side of the subject's box, in its longer side: a face becomes a third of the crop, which is a close-up
(0.30 of the frame's height or more in film studies). Less where the photo has less."""


def subject_crop(findings: Sequence[Finding], photo: str, size: tuple[int, int], resolution: int) -> Box | None:
    """The square to keep of the photo, or None when no crop mends all the findings.

    size: the upright photo's, in pixels.  resolution: the square's side has as many pixels where the photo has them.
    A square, since training cuts nothing off one. The subject stays whole with its margin, every other region of the
    findings lies outside, and a subject that is too small (`value` under `threshold`, lengths by the shorter side)
    becomes large enough.
    """
    regions = [region for finding in findings for region in finding.regions if region.photo == photo]
    subjects = {_pixels(region, size) for region in regions if region.label == SUBJECT}
    others = [_pixels(region, size) for region in regions if region.label != SUBJECT]
    if len(subjects) != 1:
        return None
    subject = subjects.pop()
    side = min(max(math.ceil(max(subject.size) * (1 + 2 * MARGIN)), resolution), *size)
    if size == (side, side) or side < max(subject.size):
        return None
    if any(_remains_small(finding, min(size) / side) for finding in findings):
        return None
    return next((place for place in _places(subject, side, size) if not any(map(place.meets, others))), None)


def _pixels(region: Region, size: tuple[int, int]) -> Box:
    """The region, grown to whole pixels; fractions are rounded first, as 0.6 of 3000 is 1800.0000000000002."""
    width, height = size
    return Box(
        max(0, math.floor(round(region.left * width, 3))),
        max(0, math.floor(round(region.top * height, 3))),
        min(width, math.ceil(round((region.left + region.width) * width, 3))),
        min(height, math.ceil(round((region.top + region.height) * height, 3))),
    )


def _remains_small(finding: Finding, gain: float) -> bool:
    """Whether the finding is about a subject that is too small, also in the crop. Areas gain more than lengths."""
    value, threshold = finding.value, finding.threshold
    if isinstance(value, str) or isinstance(threshold, str) or value is None or threshold is None:
        return False
    return value < threshold and value * gain < threshold


def _places(subject: Box, side: int, size: tuple[int, int]) -> list[Box]:
    """Where the square may lie with the subject inside: around its centre first, then to the sides."""
    across = _offsets(subject.left, subject.right, side, size[0])
    down = _offsets(subject.top, subject.bottom, side, size[1])
    return [Box(left, top, left + side, top + side) for left, top in product(across, down)]


def _offsets(start: int, end: int, length: int, whole: int) -> list[int]:
    least, most = max(0, end - length), min(start, whole - length)
    centred = min(max((start + end - length) // 2, least), most)
    return list(dict.fromkeys((centred, least, most)))
