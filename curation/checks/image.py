"""IMG: is the photo large and well lit, and all of it picture? How sharp it is: see sharpness."""

from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.rule import Evidence, Rule
from curation.report import Finding, Region

LOW_RESOLUTION = 0.75
"""Of the training resolution: below it enlarging shows. SceneWorks' Dataset Doctor, lora-dataset-studio (768 px)."""


@dataclass(frozen=True)
class BelowResolution(Rule):
    code = "IMG001"
    name = "below-resolution"
    severity = "warning"
    judges_alone = True
    mend = "exclude"
    explanation = (
        "The shorter side has fewer pixels than the training resolution, so the photo is enlarged and the model learns "
        "its softness. The guide: always choose high resolution, high quality images. Under `low` times the resolution "
        "it is a warning, above it a note. With `aspect_ratio_buckets`, whose shapes have a square's area, the area "
        "counts instead. Find a larger version; an upscaler invents what it adds."
    )
    low: float = LOW_RESOLUTION

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        needs = evidence.needs
        for measured in evidence.readable:
            side = needs.side_of(measured.header.width, measured.header.height)
            if side < needs.resolution:
                what = "It has the pixels of a square with" if needs.aspect_ratio_buckets else "Its shorter side has"
                yield self.finding(
                    [measured.name],
                    f"{what} {side} of the {needs.resolution} pixels that training uses.",
                    "use a larger version",
                    value=side,
                    threshold=needs.resolution,
                    severity="warning" if side < self.low * needs.resolution else "info",
                )


@dataclass(frozen=True)
class Exposure(Rule):
    code = "IMG005"
    name = "exposure"
    severity = "warning"
    judges_alone = True
    kinds = frozenset({"person", "object"})
    parts = frozenset({"tones"})
    mend = "exclude"
    explanation = (
        "The photo is too dark (99 % of it is below `dark_below` of 255; photos as taken had 170 or more), or nearly "
        "all black and white (over `clipped` of it within 4 of black or white, and less than `middle` of it in "
        "between; SceneWorks). A note where over `burnt` of it is white and over `glow` of it nearly white, as in a "
        "burnt-out photo and not before a white backdrop (our choice, not measured). What is clipped holds nothing to "
        "learn, and the model repeats that light. Characters and styles are not judged: drawings are made on white."
    )
    dark_below: int = 90
    clipped: float = 0.05
    middle: float = 0.15
    burnt: float = 0.25
    glow: float = 0.04

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            tones = measured.tones
            clipped = tones.black + tones.white
            white = tones.white - measured.header.transparent  # which lies over white
            glow = 1 - tones.middle - clipped
            if tones.brightest < self.dark_below:
                yield self.finding(
                    [measured.name],
                    f"It is very dark: 99 % of it is below {tones.brightest} of 255.",
                    "use a brighter photo",
                    value=tones.brightest,
                    threshold=self.dark_below,
                )
            elif white > self.burnt and glow <= self.glow:
                continue  # a white backdrop
            elif clipped > self.clipped and tones.middle < self.middle:
                yield self.finding(
                    [measured.name],
                    f"It is nearly all black or white: {tones.middle:.0%} of it lies in between.",
                    "use a photo with softer light",
                    value=tones.middle,
                    threshold=self.middle,
                )
            elif white > self.burnt:
                yield self.finding(
                    [measured.name],
                    f"{white:.0%} of it is burnt out to white.",
                    "look at it, and keep it if the subject is not burnt out",
                    value=round(white, 4),
                    threshold=self.burnt,
                    severity="info",
                )


@dataclass(frozen=True)
class FlatFrame(Rule):
    code = "IMG006"
    name = "flat-frame"
    severity = "warning"
    judges_alone = True
    parts = frozenset({"tones"})
    mend = "exclude"
    explanation = (
        "There is next to nothing in the frame: its greys differ by less than `deviation` of 255 (standard deviation; "
        "lora-dataset-studio), as behind a lens cap or in fog. A note where the greys hold less than `entropy` bits, "
        "as in a small drawing on plain paper (drawings on white had 1.1 or more, photos 5.9 or more)."
    )
    deviation: float = 12.0
    entropy: float = 0.8

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            tones = measured.tones
            if tones.deviation < self.deviation:
                yield self.finding(
                    [measured.name],
                    f"There is next to nothing in it: its greys differ by {tones.deviation:.1f} of 255.",
                    "leave it out",
                    value=tones.deviation,
                    threshold=self.deviation,
                )
            elif tones.entropy < self.entropy:
                yield self.finding(
                    [measured.name],
                    f"Nearly all of it is one tone ({tones.entropy:.1f} bits).",
                    "look at it, and crop it to what it shows",
                    value=tones.entropy,
                    threshold=self.entropy,
                    severity="info",
                )


@dataclass(frozen=True)
class Border(Rule):
    code = "IMG007"
    name = "border"
    severity = "warning"
    judges_alone = True
    parts = frozenset({"borders"})
    mend = "rewrite"
    explanation = (
        "Bars of one colour surround the picture: a letterbox, a frame, a screenshot's edge. Training learns them as "
        "part of the subject, and paints them again. Bars of `least` of a side or more are reported; a plain backdrop "
        "is not, since a picture begins along a whole line at once and a subject does not. That limit is our choice. "
        "The safe fix trims the copy."
    )
    least: float = 0.01

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            borders = measured.borders
            sides = {"left": borders.left, "top": borders.top, "right": borders.right, "bottom": borders.bottom}
            wide = {side: depth for side, depth in sides.items() if depth >= self.least}
            if wide:
                width, height = 1 - borders.left - borders.right, 1 - borders.top - borders.bottom
                yield self.finding(
                    [measured.name],
                    f"Bars of one colour at the {' and '.join(wide)} take {1 - width * height:.0%} of it.",
                    "write a copy without the bars (--fix)",
                    value=round(max(wide.values()), 3),
                    threshold=self.least,
                    regions=[Region(measured.name, "picture", borders.left, borders.top, width, height)],
                )


@dataclass(frozen=True)
class JpegCompression(Rule):
    code = "IMG008"
    name = "jpeg-compression"
    severity = "warning"
    judges_alone = True
    mend = "exclude"
    explanation = (
        "The JPEG was compressed so hard that blocks and rings show around edges, and training learns them as texture; "
        "the guide asks for high quality images. Quality on the scale of the Independent JPEG Group, told by the "
        "file's quantization table: under `low` a warning, under `fair` a note, which is our choice and not measured. "
        "It is that of the last save; earlier losses do not show. Find the original."
    )
    low: int = 50
    fair: int = 70

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            quality = measured.header.jpeg_quality
            if quality is not None and quality < self.fair:
                low = quality < self.low
                yield self.finding(
                    [measured.name],
                    f"It is a JPEG of quality {quality}.",
                    "use the original",
                    value=quality,
                    threshold=self.low if low else self.fair,
                    severity="warning" if low else "info",
                )


@dataclass(frozen=True)
class AspectRatio(Rule):
    code = "IMG009"
    name = "aspect-ratio"
    severity = "warning"
    judges_alone = True
    explanation = (
        "Training cuts a square whose side is the shorter side, so it sees only a part of a long photo, another one "
        "at each step unless it crops the center. Over `long` times as long as wide it is a note (half is cut away), "
        "over `extreme` times a warning (two thirds are); SDXL's own buckets end at 4. Crop it to the subject yourself."
    )
    long: float = 2.0
    extreme: float = 3.0

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            sides = measured.header.width, measured.header.height
            ratio = max(sides) / min(sides)
            if ratio > self.long:
                extreme = ratio > self.extreme
                yield self.finding(
                    [measured.name],
                    f"It is {ratio:.1f} times as long as wide: a square crop loses {1 - 1 / ratio:.0%} of it.",
                    "crop it to the subject",
                    value=round(ratio, 2),
                    threshold=self.extreme if extreme else self.long,
                    severity="warning" if extreme else "info",
                )
