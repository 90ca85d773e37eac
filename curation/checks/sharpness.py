"""IMG: is the photo sharp: not blurred, not enlarged, not moved?"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from curation.checks.image import LOW_RESOLUTION
from curation.checks.rule import Evidence, Measured, Rule
from curation.report import Finding


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
        full, half, quarter = measured.detail
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
        width, height, falling, rising = measured.directional_blur
        across = max(abs(width - height), abs(falling - rising))
        worst = max(width, height, falling, rising)
        moved = worst >= self.blur and across >= self.across and measured.sharpness < self.sharpness
        return worst if moved else None


@dataclass(frozen=True)
class Blurred(Rule):
    code = "IMG002"
    name = "blurred"
    severity = "warning"
    parts = frozenset({"sharpness"})
    mend = "exclude"
    explanation = (
        "Nothing in the photo is sharp: the 90th percentile over 8 x 8 tiles of the Laplacian's variance, at 1024 px, "
        "so that a soft background does not count. Of 139 sharp photos the lowest percentile had 135 and the median "
        "850; every Gaussian blur with sigma 2 or more fell under 60. Under `blurred_below` it is a warning, under "
        "`soft_below` a note; also where a photo has less than half of the sharpness that the set usually has, and "
        "less than `compared_below` (four times the limit of a warning). The guide: blurry images can harm the tuning "
        "process. Photos whose softness is explained otherwise are left to IMG001 (a shorter side under "
        "`explained_below` times the resolution), and to IMG003 and IMG004 where those are applied."
    )
    blurred_below: float = 60.0
    soft_below: float = 135.0
    compared_below: float = 240.0
    explained_below: float = LOW_RESOLUTION

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        usual = median([measured.sharpness for measured in evidence.readable] or [0.0])
        soft_below = max(self.soft_below, min(usual / 2, self.compared_below))
        for measured in evidence.readable:
            sharpness = measured.sharpness
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
        side = evidence.needs.side_of(measured.header.width, measured.header.height)
        too_small = side < self.explained_below * evidence.needs.resolution
        moved = MotionBlur.code in evidence.codes and Motion().amount(measured) is not None
        enlarged = Upscaled.code in evidence.codes and Enlargement().true_side(measured) is not None
        return too_small or moved or enlarged


@dataclass(frozen=True)
class Upscaled(Rule):
    code = "IMG003"
    name = "upscaled"
    severity = "warning"
    judges_alone = True
    parts = frozenset({"detail"})
    mend = "exclude"
    explanation = (
        "The photo was enlarged: it has more pixels than detail. The finest detail has less than `lost` of the energy "
        "that it has at half of the size, in the median of the ten most detailed of 8 x 8 tiles; at half or a quarter "
        "of the size it is back at `regained`. Of 53 photos as taken none was under `lost`; of 24 that were enlarged 2 "
        "to 4 times 75 to 95 % are found, few of those enlarged 1.5 times. A slightly wrong focus "
        "looks the same, and does the same, as the guide says of blurry images: it harms the tuning. Judged only where "
        "the true detail is below the training resolution. Find the original."
    )
    lost: float = Enlargement.lost
    regained: float = Enlargement.regained

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        enlargement = Enlargement(self.lost, self.regained)
        needs = evidence.needs
        for measured in evidence.readable:
            header, side = measured.header, enlargement.true_side(measured)
            used = round(needs.resolution * header.short_side / needs.side_of(header.width, header.height))
            if side is not None and side < used:
                yield self.finding(
                    [measured.name],
                    f"Its shorter side has {header.short_side} pixels, with the detail of about {side:.0f}: "
                    "it was enlarged, or its focus is slightly off.",
                    "use the original, or a sharper photo",
                    value=round(side),
                    threshold=used,
                )


@dataclass(frozen=True)
class MotionBlur(Rule):
    code = "IMG004"
    name = "motion-blur"
    severity = "warning"
    judges_alone = True
    parts = frozenset({"sharpness", "directional_blur"})
    mend = "exclude"
    explanation = (
        "The camera or the subject moved: edges are smeared along one direction. Crete et al.'s blur effect, at 512 px "
        "along four directions, is `blur` or more in the worst one and less by `across` at a right angle to it, and "
        "its sharpness (see IMG002) is under `sharpness`: a sharp subject before a panned background is no fault. "
        "Measured on 24 photos: none as taken; of those moved over 15 pixels of 1024 50 to 92 %, over 25 pixels 79 to "
        "100 %. The guide: blurry images can harm the tuning process. Use another photo of the same moment."
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
