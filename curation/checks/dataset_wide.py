"""SET: do the photos together show one subject in many ways?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curation.background import similarity
from curation.checks.duplicates import distinct_photos
from curation.checks.rule import Evidence, Measured, Rule
from curation.report import Finding, Kind, Skipped

ENOUGH: Mapping[Kind, int] = {"person": 15, "character": 15, "object": 10, "style": 20}
"""SceneWorks' Dataset Doctor (person, object, style); a character is learned like a person."""


@dataclass(frozen=True)
class RepeatedBackground(Rule):
    code = "SET001"
    name = "repeated-background"
    severity = "warning"
    parts = frozenset({"hashes", "background"})
    kinds = frozenset({"person", "object", "character"})
    mend = "exclude"
    keeps = 2
    explanation = (
        "Several photos seem to be taken at one place, so the model learns the place with the subject. The guide: "
        "avoid repeating backgrounds, aim for variety. The subject is masked out, and the colour and texture of the "
        "rest compared; photos are grouped by average linkage at `alike`. Measured on 43 photos: no pair of different "
        "places reached 0.43, and 12 of 16 pairs of the same place lay above it. Copies count once. Replace all but "
        "two of a group, or say in each caption where it was taken."
    )
    alike: float = 0.43
    group: int = 3

    def check(self, evidence: Evidence) -> Iterator[Finding | Skipped]:
        photos = [measured for measured in distinct_photos(evidence) if measured.background.descriptor]
        for group, score in _places(photos, self.alike):
            if len(group) >= self.group:
                yield self.finding(
                    [measured.name for measured in group],
                    f"{len(group)} photos have the same background, or nearly so.",
                    f"replace {len(group) - self.keeps} of them, or name the place in their captions",
                    value=round(score, 3),
                    threshold=self.alike,
                )


@dataclass(frozen=True)
class TooFewPhotos(Rule):
    code = "SET002"
    name = "too-few-photos"
    severity = "info"
    explanation = (
        "The set is smaller than what usually works for its kind: 15 photos of a person or a character, 10 of an "
        "object, 20 of a style. The guide gets good results with a handful, if they are good and varied; more photos "
        "only help when they show something new."
    )
    fewest: int = 3

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        count, enough = len(evidence.readable), ENOUGH[evidence.kind]
        if count < enough:
            yield self.finding(
                [],
                f"Photos that can be used: {count}. For the kind {evidence.kind}, {enough} or more usually work.",
                "add photos that show something new",
                value=count,
                threshold=enough,
                severity="warning" if count < self.fewest else None,
            )


def _places(photos: Sequence[Measured], alike: float) -> Iterator[tuple[list[Measured], float]]:
    """Groups of photos with alike backgrounds, and the mean similarity within each."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(photos) < 2:
        return
    scores = np.eye(len(photos))
    for row, one in enumerate(photos):
        for column in range(row):
            scores[row, column] = scores[column, row] = similarity(
                one.background.descriptor, photos[column].background.descriptor
            )
    labels = fcluster(linkage(squareform(1.0 - scores), "average"), 1.0 - alike, "distance")
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            within = scores[np.ix_(members, members)][np.triu_indices(len(members), 1)]
            yield [photos[int(index)] for index in members], float(within.mean())
