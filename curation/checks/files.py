"""FIL: can the file be read, and as what it says it is?"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from curation.checks.rule import Evidence, Rule
from curation.report import Finding
from curation.text import visible

SUFFIXES_OF_FORMAT: dict[str, frozenset[str]] = {
    "AVIF": frozenset({".avif"}),
    "BMP": frozenset({".bmp"}),
    "GIF": frozenset({".gif"}),
    "HEIF": frozenset({".heic", ".heif"}),
    "JPEG": frozenset({".jpg", ".jpeg", ".jfif", ".mpo"}),
    "MPO": frozenset({".jpg", ".jpeg", ".mpo"}),
    "PNG": frozenset({".png"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "WEBP": frozenset({".webp"}),
}


@dataclass(frozen=True)
class Unreadable(Rule):
    code = "FIL001"
    name = "unreadable"
    severity = "error"
    judges_alone = True
    mend = "exclude"
    explanation = (
        "Every photo is decoded to its last byte, because a header check passes half a file. A photo that does not "
        "decode stops the training, or trains on a grey lower half. Copy it again from its source, or leave it out."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.photos:
            if measured.facts.file.fault in {"damaged", "unopened"}:
                yield self.finding(
                    [measured.name],
                    f"It cannot be read: {measured.facts.file.unreadable}.",
                    "copy it again, or leave it out",
                )


@dataclass(frozen=True)
class WrongExtension(Rule):
    code = "FIL002"
    name = "wrong-extension"
    severity = "warning"
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "The file's content is of another format than its name says. Some trainers and viewers go by the name and fail "
        "on it. The safe fix writes a copy under the right extension."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            suffix = PurePosixPath(measured.name).suffix.lower()
            suffixes = SUFFIXES_OF_FORMAT.get(measured.header.format, frozenset({suffix}))
            if suffix not in suffixes:
                yield self.finding(
                    [measured.name],
                    f"Its content is {measured.header.format}, its name says {suffix}.",
                    "write a copy with the right extension (--fix)",
                    value=suffix,
                    threshold=" ".join(sorted(suffixes)),
                )


@dataclass(frozen=True)
class Animation(Rule):
    code = "FIL008"
    name = "animation"
    severity = "warning"
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "The file holds several pictures: an animation, or pages. Training sees the first one only, and some trainers "
        "fail on such a file. The safe fix writes that first picture; if another is better, export it yourself."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            frames = measured.header.frames
            if frames > 1:
                yield self.finding(
                    [measured.name],
                    f"It holds {frames} pictures, of which training uses the first.",
                    "write the first picture alone (--fix), or export a better one",
                    value=frames,
                    threshold=1,
                )


@dataclass(frozen=True)
class DecompressionBomb(Rule):
    code = "FIL009"
    name = "decompression-bomb"
    severity = "error"
    judges_alone = True
    mend = "exclude"
    explanation = (
        "The file claims more than 179 million pixels, twice what Pillow takes for safe. A file of a few kilobytes can "
        "claim that and fill the memory of whoever decodes it, so it is not decoded, here or in training. Make a "
        "smaller version of a picture that truly is so large, or leave the file out."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.photos:
            if measured.facts.file.fault == "bomb":
                yield self.finding(
                    [measured.name],
                    f"It is not decoded: {measured.facts.file.unreadable}.",
                    "make a smaller version, or leave it out",
                )


@dataclass(frozen=True)
class UnsupportedFormat(Rule):
    code = "FIL010"
    name = "unsupported-format"
    severity = "warning"
    mend = "exclude"
    explanation = (
        "The picture is of a format that is not read (camera raw, Photoshop, JPEG XL, drawings, ...), so training does "
        "not see it. A file that says by its name to be a photo blocks. Others are named once for each format, unless "
        "a photo of the same name lies beside them, as cameras write raw files beside JPEGs. Export a JPEG or a PNG."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.photos:
            if measured.facts.file.fault == "unsupported":
                yield self.finding(
                    [measured.name],
                    f"It cannot be read: {measured.facts.file.unreadable}.",
                    "export it as JPEG or PNG",
                    severity="error",
                )
        exported = {PurePosixPath(photo.name).with_suffix("") for photo in evidence.dataset.photos}
        for words, names in evidence.foreign_files.items():
            alone = [name for name in names if PurePosixPath(name).with_suffix("") not in exported]
            if alone:
                yield self.finding(
                    alone, f"{words[0].upper()}{words[1:]} are not read, so not trained on.", "export as JPEG or PNG"
                )


@dataclass(frozen=True)
class ClashingNames(Rule):
    code = "FIL011"
    name = "clashing-names"
    severity = "warning"
    mend = "rewrite"
    explanation = (
        "The names differ only in upper and lower case, or in how an accent is written. On the disks of macOS and "
        "Windows they are one name, so that a copy, an archive or a download there loses all but one of the photos, "
        "and their captions with them. Rename them, or let the safe fix give them different names in the copy."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        groups: dict[str, list[str]] = {}
        for photo in evidence.dataset.photos:
            groups.setdefault(folded(photo.name), []).append(photo.name)
        for names in groups.values():
            if len(names) > 1:
                yield self.finding(
                    names,
                    f"On many disks these {len(names)} are one file.",
                    f"rename all but {visible(names[0])} (--fix does so in a copy)",
                    value=len(names),
                    threshold=1,
                )


@dataclass(frozen=True)
class GpsPosition(Rule):
    code = "FIL012"
    name = "gps-position"
    severity = "info"
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "The photo tells where it was taken, often a home. Training does not see that, and nothing that is written "
        "here carries it on: no copy, thumbnail, report or export. But whoever gets this folder can read it. The safe "
        "fix writes copies without any metadata; share those."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            if measured.header.gps:
                yield self.finding(
                    [measured.name],
                    "It tells where it was taken (GPS position).",
                    "share copies without metadata (--fix)",
                )


def folded(name: str) -> str:
    """The name as disks see it that ignore case and how accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


UNDECODABLE: frozenset[str] = frozenset({Unreadable.code, DecompressionBomb.code, UnsupportedFormat.code})
"""Codes of the rules about files that training cannot decode."""
