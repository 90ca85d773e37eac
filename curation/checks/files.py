"""FIL: can the file be read, and as what it says it is?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from curation.checks.rule import Evidence, Rule
from curation.report import Finding

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
    mend = "exclude"
    explanation = (
        "Every photo is decoded to its last byte, because a header check passes half a file. A photo that does not "
        "decode stops the training, or trains on a grey lower half. Copy it again from its source, or leave it out."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.photos:
            if reason := measured.facts.file.unreadable:
                yield self.finding([measured.name], f"It cannot be read: {reason}.", "copy it again, or leave it out")


@dataclass(frozen=True)
class WrongExtension(Rule):
    code = "FIL002"
    name = "wrong-extension"
    severity = "warning"
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
class Rotated(Rule):
    code = "FIL003"
    name = "exif-rotation"
    severity = "info"
    mend = "rewrite"
    explanation = (
        "The camera stored the photo turned, with an EXIF note on how to show it. Trainers differ on whether they obey "
        "that note (kohya's sd-scripts does not), and one that ignores it learns a subject lying on its side. The safe "
        "fix writes a copy that is upright without the note."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            if measured.header.orientation != 1:
                yield self.finding(
                    [measured.name],
                    f"It is stored turned (EXIF orientation {measured.header.orientation}).",
                    "write an upright copy (--fix)",
                    value=measured.header.orientation,
                    threshold=1,
                )


@dataclass(frozen=True)
class ColourMode(Rule):
    code = "FIL004"
    name = "colour-mode"
    severity = "info"
    mend = "rewrite"
    explanation = (
        "Training needs 8-bit RGB. Each tool converts transparency, CMYK, 16-bit and palette images in its own way: "
        "transparency may turn black, and 16-bit greys may be clipped to white. The safe fix writes an 8-bit sRGB "
        "copy: transparency over white, 16-bit rescaled."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            if measured.header.mode != "RGB":
                yield self.finding(
                    [measured.name],
                    f"Its pixels are {_MODE_WORDS.get(measured.header.mode, measured.header.mode)}, not 8-bit RGB.",
                    "write an 8-bit RGB copy (--fix)",
                    value=measured.header.mode,
                    threshold="RGB",
                )


_MODE_WORDS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "of a palette",
    "PA": "of a palette with transparency",
    "RGBA": "RGB with transparency",
    "CMYK": "CMYK",
    "I": "32-bit grey",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "F": "floating-point grey",
}
