"""Masks of what is learned from: found beside the photos or in their alpha, cropped as they are, latents-sized."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from curation.dataset import photo_files
from curation.errors import CurationError
from curation.photo import load
from curation.text import visible
from engine.data.buckets import Crop, Size, covering_size
from engine.data.examples import Example
from engine.data.pixels import cropped, measure
from engine.errors import ConfigError, EngineError

ASPECT_TOLERANCE = 0.02
"""By how much a mask's aspect ratio may differ from its photo's: a smaller copy's sides are rounded."""


def find_masks(examples: Sequence[Example], mask_dir: Path | None) -> dict[str, Path]:
    """The file that holds each photo's mask, by photo name: one in mask_dir, else the photo itself, for its alpha.

    A photo that is not among them has no mask, and all of it is learned from.  A mask has its photo's name, whatever
    its suffix, in mask_dir or in the same subfolder of it.  Every picture is decoded.
    Raises ConfigError for a folder that cannot be used, EngineError for a mask that cannot be read.
    """
    files = mask_files(examples, mask_dir)
    found = {example.name: files.get(example.name, example.path) for example in examples}
    with ThreadPoolExecutor() as pool:
        usable = pool.map(_holds_a_mask, found.values(), (example.path for example in examples))
    return {name: path for (name, path), is_mask in zip(found.items(), usable, strict=True) if is_mask}


def mask_files(examples: Sequence[Example], mask_dir: Path | None) -> dict[str, Path]:
    """The files in mask_dir that are named as a photo, by photo name, not looked into.

    Raises ConfigError for a folder that cannot be used.
    """
    files = _files_by_stem(mask_dir, examples) if mask_dir else {}
    found = {}
    for example in examples:
        stems = (Path(example.name).with_suffix("").as_posix(), Path(example.name).stem)
        if stem := next((stem for stem in stems if stem in files), None):
            found[example.name] = files[stem]
    return found


def read_mask(path: Path, photo: Path) -> Image.Image:
    """A mask of 8 bits, 255 where it is learned from: the photo's own alpha, else the grey of a file.

    What a mask file has transparent counts as black.  Raises CurationError.
    """
    decoded = load(path)
    if path == photo:
        return decoded.alpha or Image.new("L", decoded.image.size, 255)
    grey = decoded.image.convert("L")
    return ImageChops.subtract(grey, ImageChops.invert(decoded.alpha)) if decoded.alpha else grey


def covering_mask(path: Path, photo: Path, photo_size: Size, size: Size) -> Image.Image:
    """The mask, resized as its photo is to cover `size`."""
    height, width = covering_size(photo_size, size)
    return read_mask(path, photo).resize((width, height), Image.Resampling.BILINEAR)


def latent_mask(covering: Image.Image, crop: Crop, size: Size) -> np.ndarray:
    """The crop's mask, averaged over each pixel of the latents.  size: their height and width.

    Float32, 0 to 1, shape (1, height, width).
    """
    height, width = size
    averaged = cropped(covering, crop).convert("F").resize((width, height), Image.Resampling.BOX)
    return np.asarray(averaged, dtype=np.float32)[None] / np.float32(255.0)


def _files_by_stem(mask_dir: Path, examples: Sequence[Example]) -> dict[str, Path]:
    shown = visible(str(mask_dir))
    if not mask_dir.is_dir():
        raise ConfigError(f"There is no folder of masks {shown}.", "Check mask_dir.")
    if amid := [example.name for example in examples if example.path.resolve().is_relative_to(mask_dir.resolve())]:
        raise ConfigError(
            f"The masks in {shown} would be trained on as photos, e.g. {visible(amid[0])}.",
            "Move mask_dir out of the folder of photos.",
        )
    files: dict[str, Path] = {}
    for path in photo_files(mask_dir):
        stem = path.relative_to(mask_dir).with_suffix("").as_posix()
        if stem in files:
            names = f"{visible(files[stem].name)} and {visible(path.name)}"
            raise ConfigError(f"The masks {names} are for the same photo.", f"Remove one of them from {shown}.")
        files[stem] = path
    return files


def _holds_a_mask(path: Path, photo: Path) -> bool:
    """Whether there is more to it than all white. Raises EngineError for a mask that cannot be used."""
    try:
        decoded = load(path)
    except CurationError as error:
        raise EngineError(f"The mask {error.problem}", "Replace the file, or remove it.") from error
    if path == photo:
        return decoded.header.transparent > 0
    (height, width), mask = measure(photo).size, decoded.image
    if abs(mask.width * height / (mask.height * width) - 1) > ASPECT_TOLERANCE:
        raise EngineError(
            f"The mask {visible(path.name)} is {mask.width} x {mask.height}, and its photo {width} x {height}.",
            "Make the mask in the photo's shape; it may be smaller.",
        )
    return True
