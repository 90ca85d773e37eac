"""Captions on their way to the disk: together, or each on its own where one of them is refused."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from curation.dataset import Dataset, open_dataset, save_captions
from curation.errors import CurationError

TRIES = 5
"""To write into a folder that another program of ours writes into, each time after reading it again."""


@dataclass(frozen=True)
class Saved:
    """What came of a save.

    before: the dataset that was to be written.  dataset: as it is on disk now.  captions: those that were written, by
    photo name.  refused: why the others were not.
    """

    before: Dataset
    dataset: Dataset
    captions: Mapping[str, str]
    refused: CurationError | None = None


def write_captions(dataset: Dataset, captions: Mapping[str, str], is_shared: bool = False) -> Saved:
    """Write captions by photo name; one that cannot be written holds up no other.

    is_shared: something else of ours, such as a captioning model, writes into the folder at the same time; what it
    changed is no refusal then.
    """
    tries = TRIES if is_shared else 1
    try:
        return Saved(dataset, _written(dataset, captions, tries), captions)
    except CurationError as error:
        refused = error
    now, written = dataset, {}
    for name, caption in captions.items() if len(captions) > 1 else ():
        with contextlib.suppress(CurationError):
            now = _written(now, {name: caption}, tries)
            written[name] = caption
    return Saved(dataset, now, written, refused)


def _written(dataset: Dataset, captions: Mapping[str, str], tries: int) -> Dataset:
    for _ in range(tries - 1):
        with contextlib.suppress(CurationError):
            return save_captions(dataset, captions)
        dataset = open_dataset(dataset.root, dataset.caption_column)
    return save_captions(dataset, captions)
