"""Class images of a run: the real ones at hand, counted, and how many must be generated."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurationError, StatedError
from curation.hub import hub_refusal, is_hub_name, photos_folder
from curation.text import visible
from engine.config import TrainConfig
from engine.data.examples import included_photos, uses_class_images
from engine.errors import ConfigError, EngineError
from engine.models.hub import SECONDS
from engine.paths import typed_path
from engine.preflight.photos import check_decodes


@dataclass(frozen=True)
class ClassImages:
    """Where class images come from.

    real: pictures at hand that are used, real ones first.  generated: missing ones, which the base model makes before
    training.  fetched_from: a dataset of the hub that is read when the run starts, so that neither is known yet.
    """

    real: int
    generated: int
    fetched_from: str | None = None


def count_class_images(config: TrainConfig) -> ClassImages | None:
    """The class images of a run; None where none are used."""
    prior = config.prior
    if not uses_class_images(prior):
        return None
    real = min(sum(len(included_photos(folder)) for folder in _folders(config)), prior.num_class_images)
    missing = prior.num_class_images - real
    if missing and (name := _not_yet_fetched(config)):
        return ClassImages(real, 0, fetched_from=name)
    return ClassImages(real, missing)


def check_class_images(config: TrainConfig) -> Iterator[StatedError | str]:
    """Those at hand decode, and a dataset that is not is within reach; generated ones are pointed out for faces."""
    found = count_class_images(config)
    if found is None:
        return
    for folder in _folders(config):
        if folder.is_file():
            yield ConfigError(f"class_data_dir {folder} is a file.", "Name a folder; it may be empty or new.")
        elif folder.is_dir():
            yield from check_decodes(included_photos(folder), f"Replace it in {folder}, or remove it.")
    if found.fetched_from:
        yield from _check_reach(found.fetched_from)
    if found.generated and config.concept.kind == "person":
        yield (
            f"{found.generated} class images will be generated, and the guide found that generated ones cost faces "
            "likeness and realism: name real ones, e.g. class_dataset_name = multimodalart/faces-prior-preservation."
        )


def _folders(config: TrainConfig) -> list[Path]:
    prior = config.prior
    folders = [typed_path(prior.class_data_dir)] if prior.class_data_dir else []
    if prior.class_dataset_name:
        folders.append(photos_folder(prior.class_dataset_name, fetch=False))
    return folders


def _not_yet_fetched(config: TrainConfig) -> str | None:
    name = config.prior.class_dataset_name
    return name if name and not photos_folder(name, fetch=False).is_dir() else None


def _check_reach(name: str) -> Iterator[StatedError | str]:
    if not is_hub_name(name):
        yield EngineError(
            f"There is no dataset of class images {visible(name)}.",
            "Check class_dataset_name: a dataset of the hub (user/name), or a folder.",
        )
        return
    try:
        from huggingface_hub import HfApi
    except ImportError:  # the base install, which says so when training is asked for
        return
    try:
        HfApi().dataset_info(name, timeout=SECONDS)
    except Exception as error:  # noqa: BLE001 - the hub's own, httpx's and the system's
        yield hub_refusal("dataset", name, error) or CurationError(
            f"The dataset {visible(name)} cannot be asked for: {visible(str(error))}.", "Check class_dataset_name."
        )
    else:
        yield f"The class images of {visible(name)} are fetched when the run starts."
