"""What is trained on: photos with their captions, and real pictures of the class, in the folders that are named."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from curation.crops import Focus
from curation.dataset import open_dataset, photo_files
from curation.exclusions import read_exclusions
from curation.hub import photos_folder
from curation.text import visible
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.paths import typed_path
from engine.settings import PriorSection


@dataclass(frozen=True)
class Example:
    """A photo and the caption that it is trained on. name: its path in its folder, for messages.

    focus: the centre of its crop, where a person placed it.
    """

    name: str
    path: Path
    caption: str
    focus: Focus | None = None


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
        examples.append(Example(photo.name, photo.path, caption, photo.focus))
    if not examples:
        remedy = f"See why with: loratui lint {shlex.quote(str(dataset.root))}"
        raise EngineError("Every photo is left out of training.", remedy)
    return tuple(examples)


def real_class_images(prior: PriorSection) -> tuple[Path, ...]:
    """The pictures of class_data_dir, which may be empty or new, then those of class_dataset_name; at most as many as
    are wanted, without those that the folders' own lists leave out, and none where no class images are asked for.

    A dataset of the hub is fetched on first use.  Raises CurationError for one out of reach, EngineError for a name
    that stands for nothing.
    """
    if not uses_class_images(prior):
        return ()
    paths = included_photos(typed_path(prior.class_data_dir)) if prior.class_data_dir else []
    if prior.class_dataset_name and len(paths) < prior.num_class_images:
        folder = photos_folder(prior.class_dataset_name)
        if not folder.is_dir():
            raise EngineError(
                f"There is no dataset of class images {visible(prior.class_dataset_name)}.",
                "Check class_dataset_name: a dataset of the hub (user/name), or a folder.",
            )
        paths += included_photos(folder)
    return tuple(paths[: prior.num_class_images])


def uses_class_images(prior: PriorSection) -> bool:
    """Whether pictures keep the class known, and not the base model's own predictions."""
    return prior.with_prior_preservation and prior.prior_target == "class_images"


def included_photos(folder: Path) -> list[Path]:
    """A folder's photos, sorted, without those that its own list leaves out; none where there is no folder."""
    if not folder.is_dir():
        return []
    excluded = read_exclusions(folder)
    return [path for path in photo_files(folder) if path.relative_to(folder).as_posix() not in excluded]
