"""IMG: is the photo large, sharp and well lit, and all of it picture?"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from curation.checks.rule import Evidence, Measured, Rule
from curation.report import Finding, Region

LOW_RESOLUTION = 0.75
"""Of the training resolution: below it enlarging shows. SceneWorks' Dataset Doctor, lora-dataset-studio (768 px)."""


@dataclass(frozen=True)
class Enlargement:
    """What detail (see `curation.facts.sharpness.detail`) tells that a photo was enlarged.

    lost: the share of fine detail that photos as taken exceed; 0 of 53 were under it, in an earlier measurement.
    regained: the share that a reduced photo reaches again. Measured on 24 photos: as taken 0.42 or more, after JPEG
    quality 30 0.31 or more. Enlarged 2 to 4 times, 75 to 95 % had less than `lost`, and `regained` at half or a quarter
    of their size; of those under a Gaussian blur of sigma 2 29 %, of stronger ones none.
    """

    lost: float = 0.20
    regained: float = 0.25

    def true_side(self, measured: Measured) -> float | None:
        """The shorter side, in pixels, of which an enlarged photo has the detail; None for others."""
        full, half, quarter = measured.quality.detail
        if full >= self.lost or max(half, quarter) < self.regained:
            return None
        side = measured.header.short_side
        while side >= 2048:  # as the photo was halved before its detail was measured
            side //= 2
        return side / (2 if half >= self.regained else 4)


@dataclass(frozen=True)
class Motion:
    """What directional blur tells of a camera or subject that moved.

    blur: in the worst direction.  across: how much less there is across it.  sharpness: above it something is sharp.
    Measured on 24 photos: `blur` and `across` together in none as taken or enlarged; of those moved over 15 pixels of
    1024 in 50 to 92 %, depending on the direction, and over 25 pixels in 79 to 100 %.
    """

    blur: float = 0.50
    across: float = 0.10
    sharpness: float = 250.0

    def amount(self, measured: Measured) -> float | None:
        """The blur along the motion, in [0, 1]; None where nothing moved."""
        width, height, falling, rising = measured.quality.directional_blur
        across = max(abs(width - height), abs(falling - rising))
        worst = max(width, height, falling, rising)
        moved = worst >= self.blur and across >= self.across and measured.quality.sharpness < self.sharpness
        return worst if moved else None


@dataclass(frozen=True)
class BelowResolution(Rule):
    code = "IMG001"
    name = "below-resolution"
    severity = "warning"
    mend = "exclude"
    explanation = (
        "The shorter side has fewer pixels than the training resolution, so the photo is enlarged and the model learns "
        "its softness. The guide: always choose high resolution, high quality images. Under `low` times the resolution "
        "it is a warning, above it a note. Find a larger version; an upscaler invents what it adds."
    )
    low: float = LOW_RESOLUTION

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        resolution = evidence.needs.resolution
        for measured in evidence.readable:
            short = measured.header.short_side
            if short < resolution:
                yield self.finding(
                    [measured.name],
                    f"Its shorter side has {short} of the {resolution} pixels that training uses.",
                    "use a larger version",
                    value=short,
                    threshold=resolution,
                    severity="warning" if short < self.low * resolution else "info",
                )


@dataclass(frozen=True)
class Blurred(Rule):
    code = "IMG002"
    name = "blurred"
    severity = "warning"
    parts = frozenset({"quality"})
    mend = "exclude"
    explanation = (
        "Nothing in the photo is sharp: the 90th percentile over 8 x 8 tiles of the Laplacian's variance, at 1024 px, "
        "so that a soft background does not count. Of 139 sharp photos the lowest percentile had 135 and the median "
        "850; every Gaussian blur with sigma 2 or more fell under 60. It is a note where a photo has less than half of "
        "the sharpness that the set usually has, and less than `compared_below`. The guide: blurry images can harm the "
        "tuning process. Photos whose softness is explained otherwise are left to IMG001, IMG003 and IMG004."
    )
    blurred_below: float = 60.0
    soft_below: float = 135.0
    compared_below: float = 240.0
    explained_below: float = LOW_RESOLUTION

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        usual = median([measured.quality.sharpness for measured in evidence.readable] or [0.0])
        soft_below = max(self.soft_below, min(usual / 2, self.compared_below))
        for measured in evidence.readable:
            sharpness = measured.quality.sharpness
            if sharpness >= soft_below or self._explained(evidence, measured):
                continue
            blurred = sharpness < self.blurred_below
            yield self.finding(
                [measured.name],
                f"Nothing in it is sharp (sharpness {sharpness:.0f}; this set usually has {usual:.0f})."
                if blurred
                else f"It is rather soft (sharpness {sharpness:.0f}; this set usually has {usual:.0f}).",
                "use a sharper photo" if blurred else "look at it, and keep it if the subject is sharp",
                value=sharpness,
                threshold=self.blurred_below if blurred else round(soft_below, 1),
                severity="warning" if blurred else "info",
            )

    def _explained(self, evidence: Evidence, measured: Measured) -> bool:
        too_small = measured.header.short_side < self.explained_below * evidence.needs.resolution
        return too_small or Motion().amount(measured) is not None or Enlargement().true_side(measured) is not None


@dataclass(frozen=True)
class Upscaled(Rule):
    code = "IMG003"
    name = "upscaled"
    severity = "warning"
    parts = frozenset({"quality"})
    mend = "exclude"
    explanation = (
        "The photo was enlarged: it has more pixels than detail. The finest detail has less than `lost` of the energy "
        "that it has at half of the size, in the median of the ten most detailed of 8 x 8 tiles; at half or a quarter "
        "of the size it is back at `regained`. Of 53 photos as taken none was under `lost`; of 24 that were enlarged 2 "
        "to 4 times 75 to 95 % are found, few of those enlarged 1.5 times. A slightly wrong focus "
        "looks the same, and does the same: training learns softness. Judged only where the true detail is below "
        "the training resolution. Find the original."
    )
    lost: float = Enlargement.lost
    regained: float = Enlargement.regained

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        enlargement = Enlargement(self.lost, self.regained)
        resolution = evidence.needs.resolution
        for measured in evidence.readable:
            side = enlargement.true_side(measured)
            if side is not None and side < resolution:
                yield self.finding(
                    [measured.name],
                    f"Its shorter side has {measured.header.short_side} pixels, with the detail of about {side:.0f}: "
                    "it was enlarged, or its focus is slightly off.",
                    "use the original, or a sharper photo",
                    value=round(side),
                    threshold=resolution,
                )


@dataclass(frozen=True)
class MotionBlur(Rule):
    code = "IMG004"
    name = "motion-blur"
    severity = "warning"
    parts = frozenset({"quality"})
    mend = "exclude"
    explanation = (
        "The camera or the subject moved: edges are smeared along one direction. Crete et al.'s blur effect, at 512 px "
        "along four directions, is `blur` or more in the worst one and less by `across` at a right angle to it, and "
        "nothing in the photo is sharp (a sharp subject before a panned background is no fault). Training learns the "
        "smear. Use another photo of the same moment."
    )
    blur: float = Motion.blur
    across: float = Motion.across
    sharpness: float = Motion.sharpness

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        motion = Motion(self.blur, self.across, self.sharpness)
        for measured in evidence.readable:
            amount = motion.amount(measured)
            if amount is not None:
                yield self.finding(
                    [measured.name],
                    f"It is smeared along one direction (blur {amount:.2f}).",
                    "use a photo in which nothing moved",
                    value=amount,
                    threshold=self.blur,
                )


@dataclass(frozen=True)
class Exposure(Rule):
    code = "IMG005"
    name = "exposure"
    severity = "warning"
    kinds = frozenset({"person", "object"})
    parts = frozenset({"quality"})
    mend = "exclude"
    explanation = (
        "The photo is too dark (99 % of it is below `dark_below` of 255; photos as taken had 170 or more), or nearly "
        "all black and white (over `clipped` of it within 4 of black or white, and less than `middle` of it in "
        "between; SceneWorks). A note where over `burnt` of it is white and over `glow` of it nearly white, as in a "
        "burnt-out photo and not before a white backdrop. What is clipped holds nothing to learn, and the model "
        "repeats that light. Characters and styles are not judged: drawings are made on white."
    )
    dark_below: int = 90
    clipped: float = 0.05
    middle: float = 0.15
    burnt: float = 0.25
    glow: float = 0.04

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            tones = measured.quality.tones
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
    parts = frozenset({"quality"})
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
            tones = measured.quality.tones
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
    parts = frozenset({"quality"})
    mend = "rewrite"
    explanation = (
        "Bars of one colour surround the picture: a letterbox, a frame, a screenshot's edge. Training learns them as "
        "part of the subject, and paints them again. Bars of `least` of a side or more are reported; a plain backdrop "
        "is not, since a picture begins along a whole line at once and a subject does not. The safe fix trims the copy."
    )
    least: float = 0.01

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            borders = measured.quality.borders
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
    mend = "exclude"
    explanation = (
        "The JPEG was compressed so hard that blocks and rings show around edges, and training learns them as texture. "
        "Quality on the scale of the Independent JPEG Group, told by the file's quantization table: under `low` a "
        "warning, under `fair` a note. It is that of the last save; earlier losses do not show. Find the original."
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
    explanation = (
        "Training cuts a square whose side is the shorter side, so it sees only a part of a long photo, another one "
        "at each step unless it crops the center. Over `long` times as long as wide it is a note (half is cut away), "
        "over `extreme` times a warning; SDXL's own buckets end at 4. Crop it to the subject yourself."
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
