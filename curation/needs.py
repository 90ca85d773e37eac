"""What the checks must know about the training to come."""

import math
from dataclasses import dataclass
from pathlib import Path

WIDEST = 4
"""Of a bucket, one side in the other's lengths."""


@dataclass(frozen=True)
class TrainingNeeds:
    """Settings of a training that rules judge by.

    resolution: training size in pixels.  center_crop: the crop is cut from the middle, not at a random place.
    aspect_ratio_buckets: the crop has about the photo's own shape, and not a square's.
    token_abstraction: trigger words, of which every caption needs one.  num_new_tokens: that each becomes.
    tokenizer: the base model's own `merges.txt` or `tokenizer.json`, None where it is not on this disk.
    instance_prompt: the caption of photos that have none.
    class_data_dir: folder of class images, None without prior preservation.  num_class_images: that training wants.
    """

    resolution: int = 1024
    token_abstraction: tuple[str, ...] = ()
    num_new_tokens: int = 2
    instance_prompt: str | None = None
    center_crop: bool = False
    aspect_ratio_buckets: bool = False
    class_data_dir: Path | None = None
    num_class_images: int = 0
    tokenizer: Path | None = None

    def crop_of(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what training sees of a photo, in the photo's pixels.

        A square, or with buckets the whole photo up to WIDEST to 1: the nearest bucket loses up to 7 % more.
        """
        longest = min(width, height) * (WIDEST if self.aspect_ratio_buckets else 1)
        return min(width, longest), min(height, longest)

    def side_of(self, width: int, height: int) -> int:
        """Side of the square that has as many pixels as the crop of a photo, to be compared with `resolution`."""
        return math.isqrt(math.prod(self.crop_of(width, height)))
