"""Which photos are worth comparing pixel by pixel, by what is known about each alone."""

import numpy as np

from curation.alignment import REMEMBERED
from curation.checks.rule import Evidence, Measured
from curation.copies import File
from curation.like_colours import like_coloured
from curation.near_index import Reach

SAME = Reach(dhash=4, phash=4, fine=0.15)
"""Of equal pixels in two formats, of which one was decoded at a reduced scale."""

ALIKE = 0.8
"""Of the colours of a photo and its crop. Measured on 24 photos: 0.84 to 1 when each keeps 60 % of the sides; 5 % of
the pairs of different photos reach 0.84."""

MOST_PAIRS = 2000
"""That are aligned, the most alike in colour first: a quarter of a minute for two processors."""

BLOCK = REMEMBERED // 2
"""Photos that are paired with as many others before the next ones are, so that those of one pair are still at hand."""


def whole_files(evidence: Evidence) -> list[File]:
    """Files that may hold the same pixels as another one, in other bytes."""
    found: dict[str, File] = {}
    for one, other in _photos(evidence, evidence.near_index.pairs(SAME)):
        same_size = (one.header.width, one.header.height) == (other.header.width, other.header.height)
        if same_size and one.facts.file.sha256 != other.facts.file.sha256:
            found |= {file.sha256: file for file in (_file(one), _file(other))}
    return list(found.values())


def alignable_files(evidence: Evidence) -> tuple[list[tuple[File, File]], int]:
    """Pairs that may be cuts of one photo, and how many more there are; none whose hashes tell that they are copies."""
    index = evidence.near_index
    family = _families(np.concatenate([index.pairs(), index.pairs(mirrored=True)]), len(evidence.readable))
    alike = like_coloured([measured.colours for measured in evidence.readable], ALIKE)
    pairs = alike[family[alike[:, 0]] != family[alike[:, 1]]]
    chosen = pairs[:MOST_PAIRS]
    blocks = chosen // BLOCK
    chosen = chosen[np.lexsort((blocks[:, 1], blocks[:, 0]))]
    return [(_file(one), _file(other)) for one, other in _photos(evidence, chosen)], len(pairs) - len(chosen)


def _families(links: np.ndarray, count: int) -> np.ndarray:
    """A number for each photo, the same for those that links join, directly or through others. links: (links, 2)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(joined, directed=False)[1]


def _photos(evidence: Evidence, pairs: np.ndarray) -> list[tuple[Measured, Measured]]:
    return [(evidence.readable[one], evidence.readable[other]) for one, other in pairs.tolist()]


def _file(measured: Measured) -> File:
    return File(measured.facts.file.sha256, measured.photo.path)
