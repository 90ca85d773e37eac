"""Dataset and Photo: what is on disk, and writing captions, exclusions and crops back without losing anything."""

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from curation import journal
from curation.crops import Focus, crops_change, read_crops
from curation.errors import CurationError
from curation.exclusions import exclusions_change, read_exclusions
from curation.journal import Change
from curation.metadata import Metadata, read_metadata
from curation.sidecars import Sidecar, new_sidecar, read_sidecar, sidecar_path
from curation.text import visible

PHOTO_SUFFIXES: frozenset[str] = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class Photo:
    """A candidate photo, readable or not.

    name: POSIX path relative to the dataset's root.  caption: None when nobody wrote one, or none that can be read.
    excluded: why it is left out of training, or None.  more_captions: the further lines of the caption file that
    `caption` is the first line of; they are kept, and not trained on.  focus: the centre of the crop, where a person
    placed it.
    """

    name: str
    path: Path
    caption: str | None
    excluded: str | None
    more_captions: tuple[str, ...] = ()
    focus: Focus | None = None


@dataclass(frozen=True)
class Dataset:
    """A folder of photos with their captions.  photos: every candidate, sorted by name, excluded ones included.

    sidecars: the caption files beside the photos, by photo name.  orphaned_sidecars: the `.txt` files without a photo,
    by name.  orphaned_rows: the names in the metadata file without a photo.
    """

    root: Path
    caption_column: str
    photos: tuple[Photo, ...]
    metadata: Metadata = field(repr=False)
    sidecars: Mapping[str, Sidecar] = field(repr=False, default_factory=dict)
    orphaned_sidecars: tuple[str, ...] = ()
    orphaned_rows: tuple[str, ...] = ()

    @property
    def trainable(self) -> tuple[Photo, ...]:
        """The photos that training uses: those not excluded."""
        return tuple(photo for photo in self.photos if photo.excluded is None)

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """The photos whose caption files hold another caption than the metadata file, which wins; spaces aside."""
        lines = {name: sidecar.caption for name, sidecar in self.sidecars.items() if sidecar.caption is not None}
        return tuple(
            photo.name
            for photo in self.photos
            if photo.name in lines and (photo.caption or "").split() != lines[photo.name].split()
        )


def open_dataset(root: Path, caption_column: str = "prompt") -> Dataset:
    """Read the folder: photos at any depth, hidden files and folders skipped.

    A caption comes from the root's metadata.jsonl or metadata.csv (`file_name` and `caption_column`), else from the
    first line of the `.txt` file beside the photo. An edit that a killed process left half done is completed first.
    Raises CurationError for a path that is no folder, holds no photos, or has broken metadata, and for the column
    `file_name`.
    """
    _must_be_a_folder(root)
    if caption_column == "file_name":
        raise CurationError("The column file_name holds names, not captions.", "Name another column for the captions.")
    journal.recover(root)
    metadata = read_metadata(root)
    excluded, crops = read_exclusions(root), read_crops(root)
    files = _visible_files(root)
    paths = {path.relative_to(root).as_posix(): path for path in files if _is_photo(path)}
    if not paths:
        raise CurationError(
            f"There are no photos in {visible(str(root))}.",
            f"Put photos there ({', '.join(sorted(suffix[1:] for suffix in PHOTO_SUFFIXES))}).",
        )
    texts = {path for path in files if path.suffix.lower() == ".txt"}
    candidates = {name: read_sidecar(path) for name, path in paths.items() if sidecar_path(path) in texts}
    sidecars = {name: sidecar for name, sidecar in candidates.items() if sidecar is not None}
    photos = []
    for name, path in paths.items():
        caption, more_captions = metadata.caption(name, caption_column), ()
        if caption is None and name in sidecars and (lines := sidecars[name].lines):
            caption, more_captions = lines[0], lines[1:]
        photos.append(Photo(name, path, caption, excluded.get(name), more_captions, crops.get(name)))
    orphans = texts - {sidecar.path for sidecar in sidecars.values()}
    return Dataset(
        root,
        caption_column,
        tuple(photos),
        metadata,
        sidecars,
        tuple(sorted(path.relative_to(root).as_posix() for path in orphans)),
        tuple(name for name in metadata.names if name not in paths),
    )


def save_captions(dataset: Dataset, captions: Mapping[str, str], summary: str | None = None) -> Dataset:
    """Write the captions, by photo name, as one entry of the journal, and return the dataset as it now is on disk.

    They go where captions are kept: to the metadata file that the folder has, and then also to a photo's own `.txt`
    file, so that tools that read only one of the two train on the same; else, in a folder with `.txt` files, to
    those; else to a new metadata.jsonl. Every other column, row and line stays.  summary: the entry's, in a few words.
    Raises CurationError for an unknown photo, a caption that its file cannot hold, a folder that cannot be written,
    and when someone else changed a file since the dataset was opened: nothing is written then.
    """
    _must_know(dataset, captions)
    changes = [_metadata_change(dataset, captions), *_sidecar_changes(dataset, captions)]
    journal.record(dataset.root, summary or f"Caption {_listed(captions)}", changes)
    return open_dataset(dataset.root, dataset.caption_column)


def exclude(dataset: Dataset, reasons: Mapping[str, str]) -> Dataset:
    """Leave photos out of training, each with its reason. The files stay where and as they are."""
    _must_know(dataset, reasons)
    journal.record(dataset.root, f"Leave out {_listed(reasons)}", [exclusions_change(dataset.root, reasons)])
    return _as_decided(dataset)


def include(dataset: Dataset, names: Collection[str]) -> Dataset:
    """Take photos back into training."""
    _must_know(dataset, names)
    journal.record(dataset.root, f"Take back {_listed(names)}", [exclusions_change(dataset.root, {}, names)])
    return _as_decided(dataset)


def place_crops(dataset: Dataset, focuses: Mapping[str, Focus | None]) -> Dataset:
    """Let training crop photos around these points; None crops one as the settings say again.

    Raises CurationError for an unknown photo, and for a point outside of its photo.
    """
    _must_know(dataset, focuses)
    journal.record(dataset.root, f"Place the crop of {_listed(focuses)}", [crops_change(dataset.root, focuses)])
    return _as_decided(dataset)


def photo_files(root: Path) -> list[Path]:
    """The files that are photos by their names, at any depth, sorted; hidden files and folders are skipped.

    Raises CurationError for a folder that cannot be listed.
    """
    return [path for path in _visible_files(root) if _is_photo(path)]


def _as_decided(dataset: Dataset) -> Dataset:
    """The dataset with its exclusions and crops as they are on disk. Files and captions, the larger part, stay."""
    excluded, crops = read_exclusions(dataset.root), read_crops(dataset.root)

    def decided(photo: Photo) -> Photo:
        reason, focus = excluded.get(photo.name), crops.get(photo.name)
        is_new = (reason, focus) != (photo.excluded, photo.focus)
        return replace(photo, excluded=reason, focus=focus) if is_new else photo

    return replace(dataset, photos=tuple(map(decided, dataset.photos)))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES


def _visible_files(root: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise CurationError(
            f"{visible(str(error.filename))} cannot be listed: {error.strerror}.", "Check its permissions."
        ) from error

    found: list[Path] = []
    for folder, subfolders, files in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [Path(folder, name) for name in files if not name.startswith(".")]
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


def _metadata_change(dataset: Dataset, captions: Mapping[str, str]) -> Change:
    metadata, column = dataset.metadata, dataset.caption_column
    changed = {name: caption for name, caption in captions.items() if caption != metadata.caption(name, column)}
    if not changed or (metadata.content is None and dataset.sidecars):
        return Change(metadata.path, metadata.content, metadata.content)  # it must still be as it was read
    try:
        content = metadata.with_captions(column, changed).encode("utf-8")
    except UnicodeEncodeError as error:  # JSON has escapes for it, CSV has none
        raise CurationError(
            f"{metadata.path.name} cannot hold a name or a caption that is not UTF-8.", "Rename or reword it."
        ) from error
    return Change(metadata.path, metadata.content, content)


def _sidecar_changes(dataset: Dataset, captions: Mapping[str, str]) -> list[Change]:
    has_metadata = dataset.metadata.content is not None
    if not has_metadata and not dataset.sidecars:
        return []
    sharing: dict[Path, list[Photo]] = {}  # photo.jpg and photo.png have one caption file
    for photo in dataset.photos:
        sharing.setdefault(sidecar_path(photo.path), []).append(photo)
    changes = []
    for path, photos in sharing.items():
        texts = {captions.get(photo.name) for photo in photos}
        sidecar, caption = dataset.sidecars.get(photos[0].name), next(iter(texts))
        if texts == {None} or (has_metadata and (sidecar is None or len(photos) > 1)):
            continue
        if len(texts) > 1 or caption is None:
            raise CurationError(
                f"{' and '.join(visible(photo.name) for photo in photos)} share the caption file {visible(path.name)}.",
                "Rename one of the photos, or give them the same caption in one step.",
            )
        if sidecar is None:
            changes.append(Change(path, None, new_sidecar(photos[0].path, caption)))
        elif caption != sidecar.caption:
            changes.append(Change(path, sidecar.content, sidecar.with_caption(caption)))
    return changes


def _listed(names: Collection[str]) -> str:
    return next(iter(names)) if len(names) == 1 else f"{len(names)} photos"


def _must_know(dataset: Dataset, names: Collection[str]) -> None:
    known = {photo.name for photo in dataset.photos}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise CurationError(
            f'There is no photo "{visible(unknown)}" in {visible(str(dataset.root))}.',
            "Name photos by their path inside the folder; `loratui caption list` shows them.",
        )
