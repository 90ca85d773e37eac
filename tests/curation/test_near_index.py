"""The index finds what a comparison of every two hashes finds, and no more."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.facts.hashes import Hashes, HashFacts
from curation.like_colours import like_coloured
from curation.near_index import HashColumns, NearIndex, Reach, near_pairs


def flipped(value: int, bits: list[int]) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


@st.composite
def families(draw: st.DrawFn) -> list[Hashes]:
    """Hashes that differ from a few others in some bits, as photos and their copies do."""
    words = st.builds(Hashes, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**144 - 1))
    ancestors = draw(st.lists(words, min_size=1, max_size=4))
    found = list(ancestors)
    for _ in range(draw(st.integers(0, 12))):
        one = draw(st.sampled_from(ancestors))
        bits = st.lists(st.integers(0, 63), max_size=14)
        found.append(
            Hashes(
                flipped(one.dhash, draw(bits)),
                flipped(one.phash, draw(bits)),
                flipped(one.fine, draw(st.lists(st.integers(0, 143), max_size=60))),
            )
        )
    return found


def is_near(one: Hashes, other: Hashes, reach: Reach) -> bool:
    dhash, phash = (one.dhash ^ other.dhash).bit_count(), (one.phash ^ other.phash).bit_count()
    differing = (one.fine ^ other.fine).bit_count() / max(1, (one.fine | other.fine).bit_count())
    return (dhash <= reach.dhash or phash <= reach.phash) and differing <= reach.fine


reaches = st.builds(Reach, st.integers(-1, 24), st.integers(-1, 24), st.sampled_from([0.0, 0.2, 0.4, 1.0]))


@given(families(), families(), st.one_of(st.just(Reach()), reaches))
@settings(deadline=None, max_examples=60)
def test_the_index_is_exact(own: list[Hashes], others: list[Hashes], reach: Reach) -> None:
    found = near_pairs(HashColumns.of(own), HashColumns.of(others), reach)
    expected = [(i, j) for i, one in enumerate(own) for j, other in enumerate(others) if is_near(one, other, reach)]
    assert [tuple(pair) for pair in found.tolist()] == expected


@given(families(), st.booleans())
@settings(deadline=None, max_examples=40)
def test_photos_are_linked_as_every_two_of_them_would_link_them(hashes: list[Hashes], mirrored: bool) -> None:
    facts = [HashFacts(one, other) for one, other in zip(hashes, reversed(hashes), strict=True)]
    linked = {tuple(pair) for pair in NearIndex(facts).pairs(mirrored=mirrored).tolist()}
    for i, one in enumerate(facts):
        for j, other in enumerate(facts[i + 1 :], i + 1):
            alike = is_near(one.upright, other.upright, Reach()) and not mirrored
            if (i, j) in linked:
                assert alike or (mirrored and touches(one, other))
            elif alike:
                assert connected(i, j, linked, len(facts))


def touches(one: HashFacts, other: HashFacts) -> bool:
    return is_near(one.upright, other.mirrored, Reach()) or is_near(other.upright, one.mirrored, Reach())


def connected(start: int, end: int, links: set[tuple[int, int]], count: int) -> bool:
    reached, growing = {start}, True
    while growing:
        more = {j for i, j in links if i in reached} | {i for i, j in links if j in reached}
        growing = not more <= reached
        reached |= more
    return end in reached


def test_a_thousand_equal_hashes_are_a_row_and_not_a_square() -> None:
    one = Hashes(1, 2, 3)
    assert len(NearIndex([HashFacts(one, one)] * 1000).pairs()) == 999


def test_an_index_of_nothing_finds_nothing() -> None:
    assert NearIndex([]).pairs().shape == (0, 2)


def test_colours_are_found_as_every_two_photos_would_show_them() -> None:
    random = np.random.default_rng(0)
    shares = random.gamma(0.2, 1.0, (60, 64))
    colours = np.sqrt(shares / shares.sum(axis=1, keepdims=True)) * 255
    colours[40:] = colours[:20] + random.uniform(0, 12, (20, 64))
    points = colours.clip(0, 255).round().astype(np.uint8)
    lengths = points / np.linalg.norm(points, axis=1, keepdims=True)
    expected = {tuple(pair) for pair in np.argwhere(np.triu(lengths @ lengths.T >= 0.88, 1)).tolist()}
    found = like_coloured([row.tobytes() for row in points], 0.88)
    assert {tuple(pair) for pair in found.tolist()} == expected
    likeness = [float(lengths[i] @ lengths[j]) for i, j in found.tolist()]
    assert likeness == sorted(likeness, reverse=True) and len(likeness) >= 20
