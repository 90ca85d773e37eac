"""FIL: are the pixels stored as training needs them, upright and in 8-bit sRGB?"""

from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.rule import Evidence, Rule
from curation.facts.header import means_srgb
from curation.report import Finding
from curation.text import visible


@dataclass(frozen=True)
class Rotated(Rule):
    code = "FIL003"
    name = "exif-rotation"
    severity = "info"
    judges_alone = True
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
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "Training needs RGB. Each tool converts CMYK, palettes and greys in its own way, and in some CMYK comes out "
        "inverted or faded. The safe fix writes an RGB copy. A set with many grey photos teaches a lack of colour."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            words = _MODE_WORDS.get(measured.header.mode)
            if words is not None:
                yield self.finding(
                    [measured.name],
                    f"Its pixels are {words}, not RGB.",
                    "write an RGB copy (--fix)",
                    value=measured.header.mode,
                    threshold="RGB",
                )


_MODE_WORDS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey",
    "P": "of a palette",
    "PA": "of a palette",
    "CMYK": "CMYK",
    "LAB": "CIE Lab",
    "YCbCr": "YCbCr",
}


@dataclass(frozen=True)
class Transparency(Rule):
    code = "FIL005"
    name = "transparency"
    severity = "warning"
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "Parts of the picture are transparent. Here they lie over white, which training then learns as a background; "
        "other trainers drop the transparency, and whatever colours were hidden under it come out, often black. The "
        "safe fix writes it over white; better is a real background. An alpha channel that is opaque everywhere "
        "changes nothing and is not reported, nor are edges and corners of less than `least` of the pixels (a choice: "
        "a rounded corner)."
    )
    least: float = 0.001

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            share = measured.header.transparent
            if share > self.least:
                yield self.finding(
                    [measured.name],
                    f"{share:.0%} of it is transparent." if share >= 0.01 else "A little of it is transparent.",
                    "write it over white (--fix), or give it a background",
                    value=round(share, 4),
                    threshold=self.least,
                )


@dataclass(frozen=True)
class BitDepth(Rule):
    code = "FIL006"
    name = "bit-depth"
    severity = "info"
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "The photo has more than 8 bits for each colour, and training uses 8. 16-bit greys are the trap: a plain "
        "conversion clips them, so that nearly all of the photo turns white. The safe fix writes a rescaled 8-bit copy."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            bits = measured.header.bits
            if bits > 8:
                grey = measured.header.mode[0] in "IF"
                yield self.finding(
                    [measured.name],
                    f"It has {bits} bits of grey, which many tools clip to white."
                    if grey
                    else f"It has {bits} bits for each colour.",
                    "write an 8-bit copy (--fix)",
                    value=bits,
                    threshold=8,
                )


@dataclass(frozen=True)
class ColourProfile(Rule):
    code = "FIL007"
    name = "colour-profile"
    severity = "info"
    judges_alone = True
    mend = "rewrite"
    explanation = (
        "Its colours are meant for another profile than sRGB (Display P3 of phones, Adobe RGB, a printer's CMYK). They "
        "are converted here, but trainers that ignore the profile see them faded or shifted. The safe fix writes an "
        "sRGB copy. A grey photo's grey profile is no matter and not reported, nor is a profile that names sRGB."
    )

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            profile = measured.header.profile
            if profile and not means_srgb(profile) and measured.header.mode not in {"L", "LA", "1", "I;16"}:
                yield self.finding(
                    [measured.name],
                    f'Its colour profile is "{visible(profile)}", not sRGB.'
                    if profile != "broken"
                    else "Its colour profile is broken, so that its colours are taken for sRGB.",
                    "write an sRGB copy (--fix)",
                    value=profile,
                    threshold="sRGB",
                )
