"""Mend a dataset: safe fixes go to new files in a copy, unsafe ones leave photos out. No original is ever changed."""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image

from curation.atomic import write_bytes, write_text
from curation.checks import RULES
from curation.checks.encoding import ColourMode
from curation.checks.files import SUFFIXES_OF_FORMAT, Unreadable
from curation.dataset import Dataset, Photo, exclude, open_dataset
from curation.errors import CurationError
from curation.facts.header import orientation_of
from curation.jpeg import without_metadata
from curation.metadata import dump_json
from curation.photo import load_rgb
from curation.report import Report
from curation.text import visible

Action = Literal["rewrite", "exclude", "omit"]


@dataclass(frozen=True)
class Fix:
    """One thing to do about one photo.

    action: "rewrite" it in the copy; "exclude" it from training, also in the original folder; "omit" it from the copy.
    safe: whether the training set keeps every photo that it could have used.
    """

    code: str
    photo: str
    action: Action
    safe: bool
    description: str


def plan_fixes(dataset: Dataset, report: Report, unsafe: bool = False) -> tuple[Fix, ...]:
    """What can be done about the findings, sorted by photo; with `unsafe`, photos are left out too.

    Notes (`info`) never exclude a photo. Of copies and of photos at one place the first ones stay.
    """
    leaving = _exclusions(report) if unsafe else _omissions(report)
    known = {photo.name for photo in dataset.trainable}
    rewrites = [
        Fix(finding.code, name, "rewrite", True, finding.message)
        for finding in report.findings
        if RULES[finding.code].mend == "rewrite"
        for name in finding.photos
        if name not in leaving
    ]
    fixes = [*leaving.values(), *rewrites]
    return tuple(sorted((fix for fix in fixes if fix.photo in known), key=lambda fix: (fix.photo, fix.code)))


def apply_fixes(dataset: Dataset, fixes: Sequence[Fix], output: Path | None = None) -> Dataset:
    """Write the mended copy with its captions, record exclusions in the original folder, and return the copy.

    output: the new folder, `PHOTOS-fixed` beside PHOTOS when None. Without fixes and without output nothing is
    written, and the dataset itself is returned. The copies are JPEG and PNG, without EXIF, XMP and comments.
    Raises CurationError when the folder exists and holds something, lies inside PHOTOS, or no photo would be left.
    """
    if not fixes and output is None:
        return dataset
    root = dataset.root.resolve()
    target = root.parent / f"{root.name}-fixed" if output is None else output.resolve()
    leaving = {fix.photo for fix in fixes if fix.action != "rewrite"}
    staying = [photo for photo in dataset.trainable if photo.name not in leaving]
    _must_be_possible(root, target, staying)
    reasons = {fix.photo: f"{fix.code}: {fix.description}" for fix in fixes if fix.action == "exclude"}
    _write_whole_folder(dataset, staying, fixes, target)
    if reasons:
        exclude(dataset, reasons)
    return open_dataset(target, dataset.caption_column)


def _exclusions(report: Report) -> dict[str, Fix]:
    excluded: dict[str, Fix] = {}
    # Photos that are bad in themselves go first, so that of their copies a good one stays.
    for finding in sorted(report.findings, key=lambda finding: RULES[finding.code].keeps):
        rule = RULES[finding.code]
        if rule.mend == "exclude" and finding.severity != "info":
            staying = [name for name in finding.photos if name not in excluded]
            for name in staying[rule.keeps :]:
                excluded[name] = Fix(rule.code, name, "exclude", False, finding.message)
    return excluded


def _omissions(report: Report) -> dict[str, Fix]:
    """A file that cannot be decoded cannot be copied without what it may hide."""
    return {
        name: Fix(finding.code, name, "omit", True, finding.message)
        for finding in report.findings
        if finding.code == Unreadable.code
        for name in finding.photos
    }


def _must_be_possible(root: Path, target: Path, staying: Sequence[Photo]) -> None:
    if not staying:
        raise CurationError("The fixes would leave no photo.", "Keep some with --ignore CODE, or add better photos.")
    if target.is_relative_to(root):
        raise CurationError(
            f"{visible(str(target))} lies inside the photo folder.", "Choose an --output outside of it."
        )
    try:
        taken = target.exists() and not (target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise CurationError(
            f"{visible(str(target))} cannot be used: {error.strerror}.", "Choose another folder with --output."
        ) from error
    if taken:
        raise CurationError(
            f"{visible(str(target))} exists already, and may hold captions that you wrote.",
            "Remove it, or choose another folder with --output.",
        )


def _write_whole_folder(dataset: Dataset, staying: Sequence[Photo], fixes: Sequence[Fix], target: Path) -> None:
    """Fill a temporary folder beside `target`, then rename it, so that a half-written copy is never taken for one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
        try:
            folder = temporary / "photos"  # with the usual permissions: mkdtemp's are for its owner alone
            folder.mkdir()
            names = _write_photos(staying, fixes, folder)
            _write_captions(dataset, names, folder)
            folder.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise CurationError(
            f"The mended copy {visible(str(target))} cannot be written: {error.strerror}.",
            "Free some space, or choose another folder with --output.",
        ) from error


def _write_photos(staying: Sequence[Photo], fixes: Sequence[Fix], folder: Path) -> dict[str, str]:
    """Write each photo and return its new name by its old one."""
    recolour = {fix.photo for fix in fixes if fix.code == ColourMode.code}
    taken = {photo.name for photo in staying}
    names: dict[str, str] = {}
    for photo in staying:
        content, format = _clean(photo, recolour=photo.name in recolour)
        names[photo.name] = _name(photo.name, format, taken)
        taken.add(names[photo.name])
        write_bytes(folder / names[photo.name], content)
    return names


def _clean(photo: Photo, recolour: bool) -> tuple[bytes, str]:
    """The photo's file without metadata, upright, and its format.

    A JPEG keeps its encoded pixels if it can. Any other becomes a PNG, as only new files hide nothing anywhere.
    """
    rgb = load_rgb(photo.path)  # first, as it tells a damaged file in two sentences
    content = photo.path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        if image.format not in {"JPEG", "MPO"}:
            return _encoded(rgb, "PNG")
        upright = orientation_of(image) == 1
    if upright and not recolour:
        with contextlib.suppress(ValueError):  # stray bytes, which decoders skip
            return without_metadata(content), "JPEG"
    return _encoded(rgb, "JPEG")


def _encoded(rgb: Image.Image, format: str) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    rgb.save(buffer, format, **({"quality": 95, "subsampling": 0} if format == "JPEG" else {}))
    return buffer.getvalue(), format


def _name(name: str, format: str, taken: set[str]) -> str:
    """The photo's name, with another extension if the format asks for it, and a number if that name is taken."""
    path = PurePosixPath(name)
    if path.suffix.lower() in SUFFIXES_OF_FORMAT[format]:
        return name
    suffix = ".jpg" if format == "JPEG" else ".png"
    free = path.with_suffix(suffix)
    number = 2
    while free.as_posix() in taken:
        free = path.with_name(f"{path.stem}-{number}{suffix}")
        number += 1
    return free.as_posix()


def _write_captions(dataset: Dataset, names: dict[str, str], folder: Path) -> None:
    """metadata.jsonl for the copy: every caption, wherever it came from, and the other columns of its row."""
    lines = []
    for photo in dataset.photos:
        row = dict(dataset.metadata.row(photo.name))
        if photo.name in names and (row or photo.caption is not None):
            row["file_name"] = names[photo.name]
            if photo.caption is not None:
                row[dataset.caption_column] = photo.caption
            lines.append(dump_json(row) + "\n")
    if lines:
        write_text(folder / "metadata.jsonl", "".join(lines))
