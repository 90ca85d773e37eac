"""Carrying fixes out: the copy is written, then one entry of the journal holds all that the step changed."""

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.atomic import sync
from curation.dataset import Dataset, open_dataset
from curation.errors import CurationError
from curation.fixes.copy import OnProgress, differing, fill, workshop
from curation.fixes.plan import Fix, exclusions, staying
from curation.fixes.rendition import Rendition, renditions
from curation.journal import Change, Entry, history, made_files, record
from curation.text import visible


@dataclass(frozen=True)
class Mended:
    """What came of it.

    copy: the mended dataset.  written: False when it lay there already, just so.  recorded: whether the journal knows
    of it, so that it can be undone; it does not in a photo folder that cannot be written.
    """

    copy: Dataset
    written: bool
    recorded: bool


def apply_fixes(
    dataset: Dataset,
    fixes: Sequence[Fix],
    output: Path | None = None,
    changes: Sequence[Change] = (),
    on_progress: OnProgress = lambda done, total: None,
) -> Mended:
    """Write the mended copy with its captions, and record exclusions in the original folder: one step, to be undone.

    output: the new folder, `default_output` when None.  changes: of other files, in the same step.  on_progress: told
    (done, total) files. The copies are JPEG and PNG, without EXIF, XMP and comments, also of photos without fixes.
    Raises CurationError, and changes nothing, when the folder holds anything else than this copy, lies inside PHOTOS or
    cannot be written, when no photo would be left, and when photos are to be left out of a folder that is read-only.
    """
    target = (default_output(dataset) if output is None else output).resolve()
    changes = [*changes, *exclusions(dataset, fixes)]
    recorded = _can_be_recorded(dataset.root, changes)
    remaining = staying(dataset, fixes)
    if not remaining:
        raise CurationError("The fixes would leave no photo.", "Keep some with --ignore CODE, or add better photos.")
    try:
        taken = _is_taken(dataset, target)
        photos = renditions(remaining, fixes)
        with workshop(target) as folder:
            if taken:
                _must_be_this_copy(dataset, photos, target, on_progress)
            else:
                fill(dataset, photos, folder, on_progress)
                folder.replace(target)
                sync(target.parent)
            if recorded:
                _record(dataset.root, fixes, changes, target, undone=None if taken else folder)
    except OSError as error:
        raise CurationError(
            f"The mended copy {visible(str(target))} cannot be written: {error.strerror or error}.",
            "Free some space, or choose another folder with --output.",
        ) from error
    return Mended(open_dataset(target, dataset.caption_column), not taken, recorded)


def default_output(dataset: Dataset) -> Path:
    """`PHOTOS-fixed` beside PHOTOS."""
    root = dataset.root.resolve()
    return root.with_name(f"{root.name}-fixed")


def free_output(dataset: Dataset) -> Path:
    """The first of `PHOTOS-fixed`, `PHOTOS-fixed-2`, ... that is not there yet; the same for PHOTOS and its copies."""
    root = dataset.root.resolve()
    name = re.sub(r"(?<=.)-fixed(-\d+)?$", "", root.name)
    names = (f"{name}-fixed{'' if number == 1 else f'-{number}'}" for number in itertools.count(1))
    return next(path for path in map(root.with_name, names) if not path.exists())


def _can_be_recorded(root: Path, changes: Sequence[Change]) -> bool:
    journal = root / ".loratui"
    if os.access(journal if journal.exists() else root, os.W_OK):
        return True
    if any(change.before != change.after for change in changes):
        raise CurationError(
            f"{visible(str(root))} cannot be written, so what is left out cannot be recorded there.",
            "Make it writable, or apply the safe fixes alone, which only write the copy.",
        )
    return False


def _is_taken(dataset: Dataset, target: Path) -> bool:
    """Whether something lies at `target`. Raises CurationError where no copy may be made."""
    if target.is_relative_to(dataset.root.resolve()):
        raise CurationError(
            f"{visible(str(target))} lies inside the photo folder.", "Choose an --output outside of it."
        )
    if target.exists() and not target.is_dir():
        raise CurationError(f"{visible(str(target))} is a file.", "Choose another folder with --output.")
    return target.exists() and any(target.iterdir())


def _must_be_this_copy(dataset: Dataset, photos: Sequence[Rendition], target: Path, on_progress: OnProgress) -> None:
    names = differing(dataset, photos, target, on_progress)
    if not names:
        return
    maker = _maker(dataset.root, target)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    raise CurationError(
        f"{visible(str(target))} exists already and is another copy: {visible(names[0])}{more} would change.",
        "It is as it was made, from other photos or by other rules: remove it, and try again."
        if maker is not None and made_files(target) == maker.created_files
        else "It may hold captions that you wrote: choose another folder with --output, or remove it.",
    )


def _maker(root: Path, target: Path) -> Entry | None:
    """The entry of the journal that made the folder."""
    return next((e for e in reversed(history(root)) if e.state == "done" and e.created == target), None)


def _record(root: Path, fixes: Sequence[Fix], changes: Sequence[Change], target: Path, undone: Path | None) -> None:
    """Record the step, with a copy that lay there already too if its process died before it could record it.

    undone: where the copy goes when that is refused.
    """
    mended = {fix.photo for fix in fixes if fix.action in {"rewrite", "crop"}}
    left_out = {fix.photo for fix in fixes if fix.action in {"exclude", "omit"}}
    summary = f"Write {target.name}: {len(mended)} mended, {len(left_out)} left out"
    try:
        record(root, summary, changes, None if _maker(root, target) else target)
    except CurationError:
        if undone is not None:
            target.replace(undone)
        raise
