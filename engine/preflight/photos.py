"""The photos of a run: there, whole, and with masks where their loss wants them."""

import functools
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from curation.dataset import Dataset, open_dataset
from curation.errors import CurationError, StatedError
from curation.hub import photos_folder
from curation.photo import load_rgb
from curation.text import visible
from engine.config import TrainConfig
from engine.data.examples import Example
from engine.data.masks import find_masks
from engine.errors import ConfigError, EngineError
from engine.paths import typed_path

NAMED = 3  # photos that a sentence names


def open_photos(config: TrainConfig) -> tuple[Dataset | None, list[StatedError | str]]:
    """The folder that the config names, and what is wrong with it; a dataset of the hub is read on first use."""
    data = config.data
    name = data.dataset_name or data.instance_data_dir
    if not name:
        return None, [ConfigError("No photos are named.", "Set instance_data_dir, or pass --instance_data_dir FOLDER.")]
    try:
        folder = photos_folder(name) if data.dataset_name else typed_path(name)
        dataset = open_dataset(folder.absolute(), data.caption_column)
    except StatedError as error:
        return None, [error]
    if not dataset.trainable:
        return dataset, [
            EngineError(
                f"All {len(dataset.photos)} photos in {dataset.root} are excluded.",
                f"Take some back with: loratui include {shlex.quote(str(dataset.root))} NAME",
            )
        ]
    return dataset, []


def check_photos(config: TrainConfig, dataset: Dataset) -> Iterator[StatedError | str]:
    """Every photo decodes, and masks are there if the loss wants them."""
    remedy = f"Leave it out with: loratui exclude {shlex.quote(str(dataset.root))} NAME --reason unreadable"
    broken = list(check_decodes([photo.path for photo in dataset.trainable], remedy))
    yield from broken
    if config.loss.masked_loss and not broken:
        yield from _check_masks(config, dataset)


def check_decodes(paths: Sequence[Path], remedy: str) -> Iterator[EngineError]:
    """Decode every picture whole, as a header check passes half files; the broken ones in one problem."""
    with ThreadPoolExecutor() as pool:
        broken = [problem for problem in pool.map(_unreadable, paths) if problem]
    if len(broken) == 1:
        yield EngineError(broken[0].problem, remedy)
    elif broken:
        some = " ".join(problem.problem for problem in broken[:NAMED])
        yield EngineError(f"{len(broken)} pictures cannot be read: {some}", remedy)


def _unreadable(path: Path) -> CurationError | None:
    try:
        stamp = path.stat()
    except OSError:
        return _fault(path, 0, 0)
    return _fault(path, stamp.st_mtime_ns, stamp.st_size)


@functools.lru_cache(maxsize=4096)  # a screen asks again at each change of a setting
def _fault(path: Path, _mtime: int, _size: int) -> CurationError | None:
    try:
        load_rgb(path)
    except CurationError as error:
        return error
    return None


def _check_masks(config: TrainConfig, dataset: Dataset) -> Iterator[StatedError | str]:
    mask_dir = typed_path(config.data.mask_dir).absolute() if config.data.mask_dir else None
    photos = [Example(photo.name, photo.path, "") for photo in dataset.trainable]
    try:
        masks = find_masks(photos, mask_dir)
    except StatedError as error:
        yield error
        return
    without = [photo.name for photo in photos if photo.name not in masks]
    if len(without) == len(photos):
        yield ConfigError(
            "masked_loss is on, and no photo has a mask.",
            "Name a folder of masks with mask_dir, use photos with transparency, or set masked_loss = false.",
        )
    elif without:
        yield f"{len(without)} of {len(photos)} photos have no mask, and are learned from as a whole: {some(without)}."


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(map(visible, names[:NAMED]))
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown
