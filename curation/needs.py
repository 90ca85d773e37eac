"""What the checks must know about the training to come."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingNeeds:
    """Settings of a training that rules judge by.

    resolution: training size in pixels.  center_crop: the square is cut from the middle, not at a random place.
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
    class_data_dir: Path | None = None
    num_class_images: int = 0
    tokenizer: Path | None = None
