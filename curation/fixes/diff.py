"""What fixes would do, photo by photo, without doing it."""

import difflib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from curation.checks import RULES
from curation.dataset import Dataset
from curation.facts.header import Header
from curation.fixes.copy import caption_files
from curation.fixes.plan import Fix, exclusions, staying
from curation.fixes.rendition import Rendition, renditions
from curation.journal import Change
from curation.text import visible


def preview(dataset: Dataset, fixes: Sequence[Fix], target: Path, changes: Sequence[Change] = ()) -> str:
    """Every change that `apply_fixes` would make, as lines for a reader; control characters are spelled out.

    For each photo with a fix the reasons, and its file before (-) and after (+); then the text files, as unified diffs.
    Raises CurationError for a photo that cannot be read.
    """
    made = renditions(staying(dataset, fixes), fixes)
    by_photo = {rendition.photo.name: rendition for rendition in made}
    lines: list[str] = []
    for name, own in groupby(sorted(fixes, key=lambda fix: fix.photo), lambda fix: fix.photo):
        lines += [*_photo_lines(dataset, target, name, list(own), by_photo.get(name)), ""]
    others = len(made) - len({fix.photo for fix in fixes} & by_photo.keys())
    if others:
        lines += [f"{others} more copied without EXIF, XMP and comments", ""]
    lines += _caption_lines(dataset, target, made)
    for change in [*changes, *exclusions(dataset, fixes)]:
        lines += _diff(change.before or b"", change.after or b"", str(change.path), str(change.path))
    return "\n".join(map(visible, lines)).rstrip("\n") + "\n"


def _photo_lines(
    dataset: Dataset, target: Path, name: str, fixes: Sequence[Fix], rendition: Rendition | None
) -> Iterator[str]:
    before = dataset.root / name
    if rendition is None:
        yield f"{before}: {'left out of training' if fixes[0].action == 'exclude' else 'not copied'}"
    else:
        yield f"{before} -> {target / rendition.name}"
    for fix in fixes:
        yield f"  {fix.code} {RULES[fix.code].name}: {fix.description}"
    if rendition is not None:
        yield f"- {_before(rendition.header)}"
        yield f"+ {_after(rendition)}"


def _before(header: Header) -> str:
    parts = [header.format, f"{header.width} x {header.height}", header.mode, header.profile or "no profile"]
    parts += [f"stored turned (EXIF orientation {header.orientation})"] if header.orientation != 1 else []
    parts += [f"{header.bits} bits"] if header.bits > 8 else []
    parts += [f"{header.frames} frames"] if header.frames > 1 else []
    parts += ["with its position (GPS)"] if header.gps else []
    return ", ".join(parts)


def _after(rendition: Rendition) -> str:
    width, height = rendition.box.size
    header = rendition.header
    parts = [rendition.format, f"{width} x {height}"]
    parts += [header.mode, header.profile or "no profile", "same pixels"] if rendition.verbatim else ["RGB", "sRGB"]
    if rendition.box.size != (header.width, header.height):
        parts.append(f"cut at left {rendition.box.left}, top {rendition.box.top}")
    return ", ".join(parts)


def _caption_lines(dataset: Dataset, target: Path, made: Sequence[Rendition]) -> Iterator[str]:
    after = caption_files(dataset, made)
    metadata = dataset.metadata
    if metadata.content is not None:
        name = metadata.path.name
        yield from _diff(metadata.content, after.get(name, b""), str(metadata.path), str(target / name))
    for rendition in made:
        sidecar = dataset.sidecars.get(rendition.photo.name)
        if sidecar is not None and rendition.name != rendition.photo.name:
            copied = (target / rendition.name).with_suffix(".txt")
            if copied.stem != sidecar.path.stem:
                yield f"{sidecar.path} -> {copied}"


def _diff(before: bytes, after: bytes, old: str, new: str) -> list[str]:
    """A unified diff, without the line ends."""
    old_lines, new_lines = (content.decode("utf-8", "backslashreplace").split("\n") for content in (before, after))
    return list(difflib.unified_diff(old_lines, new_lines, old, new, lineterm="", n=1))
