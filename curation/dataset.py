"""Dataset and Photo: what is on disk, and writing captions and exclusions back without losing anything."""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curation.atomic import write_text
from curation.errors import CurationError
from curation.exclusions import read_exclusions, write_exclusions
from curation.metadata import Metadata, read_metadata
from curation.regular import read_regular
from curation.text import visible

PHOTO_SUFFIXES: frozenset[str] = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class Photo:
    """A candidate photo, readable or not.

    name: POSIX path relative to the dataset's root.  caption: None when nobody wrote one.
    excluded: why it is left out of training, or None.
    """

    name: str
    path: Path
    caption: str | None
    excluded: str | None


@dataclass(frozen=True)
class Dataset:
    """A folder of photos with their captions.  photos: every candidate, sorted by name, excluded ones included."""

    root: Path
    caption_column: str
    photos: tuple[Photo, ...]
    metadata: Metadata = field(repr=False)

    @property
    def trainable(self) -> tuple[Photo, ...]:
        """The photos that training uses: those not excluded."""
        return tuple(photo for photo in self.photos if photo.excluded is None)


def open_dataset(root: Path, caption_column: str = "prompt") -> Dataset:
    """Read the folder: photos at any depth, hidden files and folders skipped.

    A caption comes from metadata.jsonl or metadata.csv (`file_name` and `caption_column`), else from the `.txt` file
    beside the photo. Raises CurationError for a path that is no folder, holds no photos, or has broken metadata, and
    for the column `file_name`.
    """
    _must_be_a_folder(root)
    if caption_column == "file_name":
        raise CurationError("The column file_name holds names, not captions.", "Name another column for the captions.")
    metadata = read_metadata(root)
    excluded = read_exclusions(root)
    photos = []
    for path in photo_files(root):
        name = path.relative_to(root).as_posix()
        caption = metadata.caption(name, caption_column)
        if caption is None:
            caption = _sidecar(path)
        photos.append(Photo(name, path, caption, excluded.get(name)))
    if not photos:
        raise CurationError(
            f"There are no photos in {visible(str(root))}.",
            f"Put photos there ({', '.join(sorted(suffix[1:] for suffix in PHOTO_SUFFIXES))}).",
        )
    return Dataset(root, caption_column, tuple(photos), metadata)


def save_captions(dataset: Dataset, captions: Mapping[str, str]) -> Dataset:
    """Write the captions, by photo name, and return the dataset as it now is on disk.

    They go to the metadata file that the folder has, else to a new metadata.jsonl; every other column, row and line
    stays. Raises CurationError for an unknown photo, a folder that cannot be written, and when someone else changed
    the file since the dataset was opened: nothing is overwritten then.
    """
    _must_know(dataset, captions)
    metadata = dataset.metadata
    if metadata.changed_on_disk():
        raise CurationError(
            f"{metadata.path.name} was changed by another program, so nothing was written.",
            "Open the photos again to see the new captions, then repeat the edit.",
        )
    changed = {name: caption for name, caption in captions.items() if caption != _own_caption(dataset, name)}
    if changed:
        try:
            # Resolved, so that a link to a shared metadata file stays a link.
            write_text(metadata.path.resolve(), metadata.with_captions(dataset.caption_column, changed))
        except OSError as error:
            raise CurationError(
                f"{metadata.path} cannot be written: {error.strerror}.", "Make the photo folder writable."
            ) from error
        except UnicodeEncodeError as error:  # JSON has escapes for it, CSV has none
            raise CurationError(
                f"{metadata.path.name} cannot hold a name or a caption that is not UTF-8.", "Rename or reword it."
            ) from error
    return open_dataset(dataset.root, dataset.caption_column)


def exclude(dataset: Dataset, reasons: Mapping[str, str]) -> Dataset:
    """Leave photos out of training, each with its reason. The files stay where and as they are."""
    _must_know(dataset, reasons)
    write_exclusions(dataset.root, read_exclusions(dataset.root) | dict(reasons))
    return open_dataset(dataset.root, dataset.caption_column)


def include(dataset: Dataset, names: Collection[str]) -> Dataset:
    """Take photos back into training."""
    _must_know(dataset, names)
    excluded = read_exclusions(dataset.root)
    write_exclusions(dataset.root, {name: reason for name, reason in excluded.items() if name not in names})
    return open_dataset(dataset.root, dataset.caption_column)


def photo_files(root: Path) -> list[Path]:
    """The files that are photos by their names, at any depth, sorted; hidden files and folders are skipped.

    Raises CurationError for a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise CurationError(
            f"{visible(str(error.filename))} cannot be listed: {error.strerror}.", "Check its permissions."
        ) from error

    found: list[Path] = []
    for folder, subfolders, files in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths = [Path(folder, name) for name in files if not name.startswith(".")]
        found += [path for path in paths if path.suffix.lower() in PHOTO_SUFFIXES]
    return sorted(found, key=Path.as_posix)


def _must_be_a_folder(root: Path) -> None:
    shown = visible(str(root))
    try:
        mode = root.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise CurationError(f"There is no folder {shown}.", "Check the path to the photos.") from error
    except OSError as error:
        raise CurationError(f"{shown} cannot be opened: {error.strerror}.", "Check the path to the photos.") from error
    if not stat.S_ISDIR(mode):
        raise CurationError(f"{shown} is not a folder.", "Give the folder that holds the photos.")


def _sidecar(photo: Path) -> str | None:
    """The caption beside the photo, in kohya's layout: `photo.txt`, without the newline that editors add."""
    path = photo.with_suffix(".txt")
    try:
        text = read_regular(path).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CurationError(
            f"The caption file {visible(path.name)} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise CurationError(
            f"The caption file {visible(path.name)} is not UTF-8 text.", "Save it as UTF-8 and try again."
        ) from error
    return text.replace("\r\n", "\n").removesuffix("\n")


def _own_caption(dataset: Dataset, name: str) -> str | None:
    return dataset.metadata.caption(name, dataset.caption_column)


def _must_know(dataset: Dataset, names: Collection[str]) -> None:
    known = {photo.name for photo in dataset.photos}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise CurationError(
            f'There is no photo "{visible(unknown)}" in {visible(str(dataset.root))}.',
            "Name photos by their path inside the folder; `loratui caption list` shows them.",
        )
