"""Where the subject stands and how large it is: an estimate from the pixels alone, without a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SubjectFacts:
    """An estimate of the subject's place and size. Box and area are fractions of the upright photo.

    area: of the subject itself, not of its box.  confidence: 0 to 1, how clearly it stands out.
    method: how it was estimated; another method would estimate otherwise.
    """

    left: float
    top: float
    width: float
    height: float
    area: float
    confidence: float
    method: str
