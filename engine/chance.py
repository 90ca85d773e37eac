"""Every draw of a run as a function of (seed, purpose, position): no random stream is state.

So a resume, a smaller micro-batch or a skipped batch changes nothing else. Draws are made on the CPU, whose generator
gives the same numbers whatever device trains.
"""

from functools import lru_cache
from hashlib import blake2b

import torch


def draw_seed(seed: int, purpose: str, position: int) -> int:
    """A 32-bit seed for one draw (torch's CPU generator uses no more bits).

    purpose: what is drawn, e.g. "noise".  position: which one, e.g. the sample's place in the run.
    """
    digest = blake2b(f"{seed}/{purpose}/{position}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def generator(seed: int, purpose: str, position: int) -> torch.Generator:
    """A fresh CPU generator for one draw."""
    return torch.Generator().manual_seed(draw_seed(seed, purpose, position))


@lru_cache(maxsize=4)  # asked once for each sample of an epoch
def order(seed: int, purpose: str, epoch: int, length: int) -> tuple[int, ...]:
    """The shuffled indices 0 to length - 1 of one epoch."""
    return tuple(torch.randperm(length, generator=generator(seed, purpose, epoch)).tolist())
