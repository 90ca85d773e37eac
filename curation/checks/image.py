"""IMG: is the photo large and sharp enough?"""

from collections.abc import Iterator
from dataclasses import dataclass

from curation.checks.rule import Evidence, Rule
from curation.report import Finding

LOW_RESOLUTION = 0.75
"""Of the training resolution: below it enlarging shows. SceneWorks' Dataset Doctor, lora-dataset-studio (768 px)."""


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
        "850; every Gaussian blur with sigma 2 or more fell under 60. The guide: blurry images can harm the tuning "
        "process. Photos so small that enlarging explains the softness are left to IMG001."
    )
    blurred_below: float = 60.0
    soft_below: float = 135.0
    explained_below: float = LOW_RESOLUTION

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        for measured in evidence.readable:
            sharpness = measured.quality.sharpness
            too_small = measured.header.short_side < self.explained_below * evidence.needs.resolution
            if too_small or sharpness >= self.soft_below:
                continue
            blurred = sharpness < self.blurred_below
            yield self.finding(
                [measured.name],
                f"Nothing in it is sharp (sharpness {sharpness:.0f}; photos usually have 135 or more)."
                if blurred
                else f"It is rather soft (sharpness {sharpness:.0f}; photos usually have 135 or more).",
                "use a sharper photo" if blurred else "look at it, and keep it if the subject is sharp",
                value=sharpness,
                threshold=self.blurred_below if blurred else self.soft_below,
                severity="warning" if blurred else "info",
            )
