"""The rules, by code: one module for each family, one class for each rule."""

import difflib

from curation.checks.caption_files import Encoding, OrphanedRow, OrphanedSidecar, SidecarDisagrees
from curation.checks.captions import (
    CommonFragment,
    ControlCharacters,
    EmptyCaption,
    IdenticalCaptions,
    MissingCaption,
    TooLong,
    TriggerWordAbsent,
    TriggerWordDoubled,
)
from curation.checks.class_images import ClassImageOrigin, ClassImageSize, ShowsSubject, TooFewClassImages
from curation.checks.dataset_wide import (
    LightingVariety,
    LowDiversity,
    RepeatedBackground,
    SameShooting,
    TooFewPhotos,
    TooManyPhotos,
)
from curation.checks.duplicates import Burst, ExactDuplicate, MirroredCopy, NearDuplicate, ShiftedCopy
from curation.checks.encoding import BitDepth, ColourMode, ColourProfile, Rotated, Transparency
from curation.checks.faces import (
    BlurredFace,
    DarkFace,
    DifferentPerson,
    NoFace,
    OccludedFace,
    OtherFaces,
    SmallFace,
)
from curation.checks.files import (
    Animation,
    ClashingNames,
    DecompressionBomb,
    GpsPosition,
    Unreadable,
    UnsupportedFormat,
    WrongExtension,
)
from curation.checks.framing import CroppedSubject, DistantSubject
from curation.checks.image import AspectRatio, BelowResolution, Border, Exposure, FlatFrame, JpegCompression
from curation.checks.people import RepeatedClothing, RepeatedExpression, RepeatedPose, ShotMix
from curation.checks.rule import Rule
from curation.checks.sharpness import Blurred, MotionBlur, Upscaled
from curation.errors import CurationError
from curation.text import visible

# In the order of a report among equals: what spoils a run first, what is merely better comes last.
_ORDER: tuple[Rule, ...] = (
    Unreadable(),
    DecompressionBomb(),
    UnsupportedFormat(),
    ExactDuplicate(),
    DifferentPerson(),
    OtherFaces(),
    NoFace(),
    CroppedSubject(),
    DistantSubject(),
    SmallFace(),
    NearDuplicate(),
    MirroredCopy(),
    ShiftedCopy(),
    RepeatedBackground(),
    RepeatedClothing(),
    ShowsSubject(),
    BelowResolution(),
    Upscaled(),
    BlurredFace(),
    DarkFace(),
    Blurred(),
    MotionBlur(),
    FlatFrame(),
    Exposure(),
    Border(),
    AspectRatio(),
    JpegCompression(),
    Transparency(),
    Animation(),
    WrongExtension(),
    ClashingNames(),
    ClassImageSize(),
    Encoding(),
    TriggerWordAbsent(),
    TriggerWordDoubled(),
    TooLong(),
    MissingCaption(),
    EmptyCaption(),
    SidecarDisagrees(),
    OrphanedRow(),
    OrphanedSidecar(),
    ControlCharacters(),
    Rotated(),
    ColourMode(),
    BitDepth(),
    ColourProfile(),
    GpsPosition(),
    TooFewClassImages(),
    ClassImageOrigin(),
    IdenticalCaptions(),
    CommonFragment(),
    OccludedFace(),
    RepeatedPose(),
    RepeatedExpression(),
    ShotMix(),
    TooFewPhotos(),
    TooManyPhotos(),
    SameShooting(),
    LightingVariety(),
    LowDiversity(),
    Burst(),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _ORDER}


def rule(code: str) -> Rule:
    """The rule of that code, in any case. Raises CurationError that names the nearest code for an unknown one."""
    found = RULES.get(code.upper())
    if found is None:
        raise CurationError(f'There is no rule "{visible(code)}".', _suggestion(code))
    return found


def rules_matching(prefix: str) -> frozenset[str]:
    """The codes that start with `prefix`, a code or a family. Raises CurationError when there is none."""
    codes = frozenset(code for code in RULES if prefix and code.startswith(prefix.upper()))
    if not codes:
        raise CurationError(f'No rule starts with "{visible(prefix)}".', _suggestion(prefix))
    return codes


def _suggestion(code: str) -> str:
    nearest = difflib.get_close_matches(code.upper(), RULES, n=1, cutoff=0.5)
    return f"Did you mean {nearest[0]}?" if nearest else f"Rules are: {', '.join(sorted(RULES))}."
