"""CAP: are the files that hold the captions sound, and do they agree?"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from curation.checks.rule import Evidence, Rule
from curation.report import Finding
from curation.text import counted, visible

_SHOWN = 5


@dataclass(frozen=True)
class OrphanedSidecar(Rule):
    """Judged in folders that use caption files, or whose texts are nearly named like photos: a README is no caption."""

    code = "CAP005"
    name = "orphaned-sidecar"
    severity = "warning"
    explanation = (
        "A caption file belongs to no photo: the photo was renamed, removed, or is spelled in another way. Its caption "
        "teaches nothing, and a photo that should have it trains on the instance prompt; the guide has captions say "
        "what is in the photo besides the subject."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        dataset = evidence.dataset
        near = _near_names(dataset.orphaned_sidecars, [photo.name for photo in dataset.photos], stems=True)
        folders = {PurePosixPath(name).parent for name in dataset.sidecars}
        orphans = [
            name
            for name in dataset.orphaned_sidecars
            if name in near or (PurePosixPath(name).parent in folders and not _TEXTS.match(PurePosixPath(name).name))
        ]
        if orphans:
            yield self.finding(
                [near[name] for name in orphans if name in near],
                f"{counted(len(orphans), 'caption file')} without a photo: {_told(orphans, near)}.",
                "rename them as their photos are named, or remove them",
                value=len(orphans),
                threshold=0,
            )


@dataclass(frozen=True)
class SidecarDisagrees(Rule):
    code = "CAP006"
    name = "sidecar-disagrees"
    severity = "warning"
    explanation = (
        "The metadata file and the photo's .txt file hold different captions. The metadata file wins here, as in the "
        "guide's script; kohya's scripts read only the .txt file, so the same folder would train on other captions "
        "there. Saving a caption writes both."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        among = {measured.name for measured in evidence.photos}
        names = [name for name in evidence.dataset.disagreeing if name in among]
        if names:
            metadata = evidence.dataset.metadata.path.name
            yield self.finding(
                names,
                f"{metadata} and the .txt file hold different captions for {counted(len(names), 'photo')}.",
                f"write those of {metadata} into the .txt files (loratui caption sync), or remove the .txt files",
                value=len(names),
                threshold=0,
            )


@dataclass(frozen=True)
class Encoding(Rule):
    code = "CAP011"
    name = "encoding"
    severity = "warning"
    explanation = (
        "The caption is not stored as UTF-8, or was read in another encoding once and saved again, which turns an é "
        "into Ã© for good. A caption file that is no UTF-8 is not used here, and stops kohya's scripts; wrongly read "
        "letters become tokens that mean nothing."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.photos:
            sidecar = evidence.dataset.sidecars.get(measured.name)
            if sidecar and sidecar.fault:
                yield self.finding(
                    [measured.name],
                    f"The caption file {visible(sidecar.path.name)} is {sidecar.fault}.",
                    "save it as UTF-8",
                    severity="error" if measured.photo.caption is None else None,
                )
            if wrong := _misread(measured.photo.caption or ""):
                told = f"where {wrong[1]} was meant" if wrong[1] else "which stands for a letter that was lost"
                yield self.finding(
                    [measured.name], f'The caption holds "{visible(wrong[0])}", {told}.', "write the letters anew"
                )


@dataclass(frozen=True)
class OrphanedRow(Rule):
    code = "CAP012"
    name = "orphaned-row"
    severity = "warning"
    explanation = (
        "A row of the metadata file names a photo that is not in the folder, often because its name is spelled in "
        "another way: é can be one character or two, and systems differ on whether A is a. The photo that should have "
        "the caption trains on the instance prompt; other trainers may refuse the folder."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        dataset = evidence.dataset
        rows = dataset.orphaned_rows
        if rows:
            near = _near_names(rows, [photo.name for photo in dataset.photos])
            yield self.finding(
                [near[name] for name in rows if name in near],
                f"{counted(len(rows), 'row')} of {dataset.metadata.path.name} without a photo: {_told(rows, near)}.",
                "write file_name as the photo is named, or remove the row",
                value=len(rows),
                threshold=0,
            )


_TEXTS = re.compile(r"(?i)(?:read.?me|licen[cs]e|copying|credits|notes|requirements|references)\b|.*licen[cs]es?\b")


def _near_names(names: Sequence[str], photos: Iterable[str], stems: bool = False) -> dict[str, str]:
    """For each name the photo whose name differs only in case or in how its letters are composed (NFC, NFD).

    stems: extensions are left out of the comparison.
    """

    def plain(name: str) -> str:
        path = PurePosixPath(name)
        return unicodedata.normalize("NFC", str(path.with_suffix("") if stems else path)).casefold()

    known = {plain(photo): photo for photo in photos}
    return {name: known[plain(name)] for name in names if plain(name) in known}


def _told(names: Sequence[str], near: dict[str, str]) -> str:
    """The first names; a near one with the photo, in escapes where the two look alike."""
    told = []
    for name in names[:_SHOWN]:
        photo = near.get(name)
        if photo is None:
            told.append(visible(name))
        elif unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", photo):
            told.append(f"{name!a} (the photo is {photo!a})")
        else:
            told.append(f"{visible(name)} (the photo is {visible(photo)})")
    return ", ".join(told) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _misread(caption: str) -> tuple[str, str] | None:
    """The first letters that look like UTF-8 read as Windows-1252, and what they were; a lost letter has no second."""
    for run in re.findall(r"[^\x00-\x7f]+", caption):
        if "\ufffd" in run:
            return run, ""
        try:
            meant = run.encode("cp1252").decode("utf-8")
        except UnicodeError:
            continue
        return run, meant
    return None
