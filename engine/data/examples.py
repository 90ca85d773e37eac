"""What is trained on: photos with their captions, read from the folder that the config names."""

from dataclasses import dataclass
from pathlib import Path

from curation.dataset import open_dataset
from curation.text import visible
from engine.config import TrainConfig
from engine.errors import EngineError


@dataclass(frozen=True)
class Example:
    """A photo and the caption that it is trained on. name: its path in its folder, for messages."""

    name: str
    path: Path
    caption: str


def read_examples(config: TrainConfig) -> tuple[Example, ...]:
    """The photos that training uses, with their own captions or else the instance prompt.

    Raises CurationError for a folder that cannot be read, EngineError when a photo would have no caption.
    """
    if not config.data.instance_data_dir:
        raise EngineError("No photos are named.", "Set instance_data_dir to the folder that holds them.")
    dataset = open_dataset(Path(config.data.instance_data_dir), config.data.caption_column)
    instance_prompt = config.concept.instance_prompt
    examples = []
    for photo in dataset.trainable:
        caption = photo.caption or instance_prompt
        if not caption:
            raise EngineError(
                f"{visible(photo.name)} has no caption, and there is no instance_prompt.",
                "Set instance_prompt, e.g. 'a photo of TOK', or write captions.",
            )
        examples.append(Example(photo.name, photo.path, caption))
    if not examples:
        raise EngineError("Every photo is left out of training.", f"See why with: loratui lint {dataset.root}")
    return tuple(examples)
