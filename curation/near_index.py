"""Which hashes of many are near each other, without comparing every pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from curation.facts.hashes import Hashes, HashFacts

CHUNKS = 4
CHUNK_BITS = 16

AT_ONCE = 1 << 21
"""Pairs that are held in memory at a time, of 24 bytes each."""


@dataclass(frozen=True)
class Reach:
    """How far apart the hashes of two versions of one photo may be.

    dhash, phash: bits of 64; either is enough to suspect a copy (no false one among 12,061 pairs of photographs).
    fine: of the bits set in either 144-bit dHash, the share that differs; it must agree, since drawings on white paper
    have few bits to tell them apart by. Measured on 42 photos and drawings: the nearest pair of different ones has
    0.43; versions have at most 0.10 after JPEG quality 30, 0.29 at 0.7 of the brightness, and 95 % of crops by 5 % in
    width and height have at most 0.38.
    """

    dhash: int = 10
    phash: int = 8
    fine: float = 0.4


class NearIndex:
    """The hashes of some photos; each question about them is answered once and remembered."""

    def __init__(self, hashes: Sequence[HashFacts]) -> None:
        self._hashes = hashes
        self._found: dict[tuple[Reach, bool], np.ndarray] = {}

    def pairs(self, reach: Reach = Reach(), mirrored: bool = False) -> np.ndarray:
        """int64, (pairs, 2): positions i < j of photos within reach, or of one within reach of the other mirrored.

        Photos of equal hashes are linked in a row, each with the next, rather than every two of them.
        """
        if (reach, mirrored) not in self._found:
            self._found[reach, mirrored] = self._search(reach, mirrored)
        return self._found[reach, mirrored]

    def _search(self, reach: Reach, mirrored: bool) -> np.ndarray:
        distinct, members = self._distinct
        own = HashColumns.of([self._hashes[group[0]].upright for group in members])
        others = HashColumns.of([self._hashes[group[0]].mirrored for group in members]) if mirrored else own
        found = near_pairs(own, others, reach)
        found = np.sort(distinct[found], axis=1)
        found = found[found[:, 0] < found[:, 1]]
        rows = [(one, next_one) for group in members for one, next_one in pairwise(group)]
        if rows and not mirrored:
            found = np.concatenate([found, np.array(rows, np.int64)])
        return np.unique(found, axis=0)

    @cached_property
    def _distinct(self) -> tuple[np.ndarray, list[list[int]]]:
        """The first photo of each distinct hash, and all photos of each."""
        groups: dict[Hashes, list[int]] = {}
        for position, facts in enumerate(self._hashes):
            groups.setdefault(facts.upright, []).append(position)
        members = list(groups.values())
        return np.array([group[0] for group in members], np.int64), members


@dataclass(frozen=True)
class HashColumns:
    """Hashes side by side.  dhash, phash: uint64, (photos,).  fine: uint64, (photos, 3)."""

    dhash: np.ndarray
    phash: np.ndarray
    fine: np.ndarray

    @classmethod
    def of(cls, hashes: Sequence[Hashes]) -> "HashColumns":
        fine = np.frombuffer(b"".join(one.fine.to_bytes(24, "little") for one in hashes), "<u8").reshape(-1, 3)
        dhash, phash = (np.array([getattr(one, name) for one in hashes], np.uint64) for name in ("dhash", "phash"))
        return cls(dhash, phash, fine)


def near_pairs(own: HashColumns, others: HashColumns, reach: Reach) -> np.ndarray:
    """int64, (pairs, 2): every row of `own` with every row of `others` within reach, sorted."""
    found = [np.empty((0, 2), np.int64)]
    for name, radius in (("dhash", reach.dhash), ("phash", reach.phash)):
        for rows, columns in _within(getattr(own, name), getattr(others, name), radius):
            differing = np.bitwise_count(own.fine[rows] ^ others.fine[columns]).sum(axis=1)
            either = np.bitwise_count(own.fine[rows] | others.fine[columns]).sum(axis=1)
            close = differing <= reach.fine * np.maximum(either, 1)
            found.append(np.stack([rows[close], columns[close]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _within(own: np.ndarray, others: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions in `own` and in `others` of hashes that differ in at most `radius` bits; some more than once.

    Multi-index hashing (Norouzi et al., 2012): of hashes that differ in few bits, one of four chunks differs in a
    quarter of them at most. Each chunk has a table, in which the neighbours of a value are looked up. Exact.
    """
    for chunk in range(CHUNKS):
        # Were every chunk to differ in more bits than its share, the shares plus one would add up to radius + 1.
        share = (radius + 1 + chunk) // CHUNKS - 1
        wanted, keys = (_chunk(hashes, chunk) for hashes in (own, others))
        order = np.argsort(keys, kind="stable")
        counts = np.bincount(keys, minlength=1 << CHUNK_BITS)
        starts = np.cumsum(counts) - counts
        for mask in _masks(share):
            looked_up = wanted ^ mask
            hits = np.flatnonzero(counts[looked_up])
            keys_hit = looked_up[hits]
            for rows, places in _spread(starts[keys_hit], counts[keys_hit]):
                rows, columns = hits[rows], order[places]
                close = np.bitwise_count(own[rows] ^ others[columns]) <= radius
                yield rows[close], columns[close]


def _chunk(hashes: np.ndarray, chunk: int) -> np.ndarray:
    return ((hashes >> np.uint64(CHUNK_BITS * chunk)) & np.uint64((1 << CHUNK_BITS) - 1)).astype(np.int64)


def _masks(bits: int) -> list[int]:
    """Every value of a chunk with at most so many bits set; none when `bits` is negative."""
    return [sum(1 << bit for bit in chosen) for count in range(bits + 1) for chosen in combinations(range(16), count)]


def _spread(starts: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each row with each of its places, `counts` of them from its start, in blocks of about AT_ONCE pairs."""
    totals = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = totals[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(totals, done + AT_ONCE, side="right")))
        block = counts[first:last]
        rows = np.repeat(np.arange(first, last), block)
        offsets = np.arange(rows.size) - np.repeat(np.cumsum(block) - block, block)
        yield rows, np.repeat(starts[first:last], block) + offsets
        first = last
