"""The processes that share a run's steps: which of them this one is, and what they tell each other, by accelerate.

Small things are agreed on the CPU (gloo) and only gradients go from GPU to GPU (NCCL). A process waits for the first
one, which alone writes, samples and exports, in an exchange on the CPU, hours if need be.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, broadcast_object_list, check_cuda_p2p_ib_support, gather_object, reduce
from torch import Tensor, distributed

PATIENCE = timedelta(hours=12)  # for the first process, at its longest: hundreds of class images, or an export
LAST_WORDS = "loratui/last_words"
T = TypeVar("T")


class PeerLost(BaseException):
    """Another process of the run is gone. No Exception, or what was tried just then would be blamed for it."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the run. rank: from 0 on."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes, and that hears what the run is asked for."""
        return self.rank == 0

    def share(self, position: int, samples: int) -> tuple[int, int]:
        """This process's part of the `samples` from `position` on: where it begins, and how many they are."""
        own = samples // self.count
        return position + self.rank * own, own

    def from_first(self, act: Callable[[], T]) -> T:
        """What `act` returns in the first process, which alone does it; the others wait.  Must be picklable."""
        if self.count == 1:
            return act()
        results = [act() if self.is_first else None]
        with _losing_peers():
            return cast(T, broadcast_object_list(results)[0])

    def any(self, flag: bool) -> bool:
        """Whether `flag` holds in any of them."""
        if self.count == 1:
            return flag
        with _losing_peers():
            return bool(cast(Tensor, reduce(torch.tensor(float(flag)), "max")))

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Each number's sum over all of them."""
        if self.count == 1:
            return list(numbers)
        with _losing_peers():
            return cast(Tensor, reduce(torch.tensor(numbers, dtype=torch.float64), "sum")).tolist()

    def gathered(self, names: Sequence[str]) -> list[str]:
        """Everybody's names, in the order of ranks."""
        if self.count == 1:
            return list(names)
        with _losing_peers():
            return cast(Any, gather_object)(list(names))

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes, in place, its sum over all of them: equal to the byte everywhere."""
        if self.count == 1:
            return
        with _losing_peers():
            for tensor in tensors:
                tensor.copy_(cast(Tensor, reduce(tensor, "sum")))

    def equalize(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes, in place, the first process's."""
        if self.count > 1:
            with _losing_peers():
                broadcast(list(tensors))


ALONE = Processes()


def join() -> Processes:
    """Meet the others that torchrun started, each with its own GPU where there are any."""
    if not torch.cuda.is_available():
        state = PartialState(cpu=True, timeout=PATIENCE)
    else:
        if not check_cuda_p2p_ib_support():  # what `accelerate launch` does for these GPUs
            os.environ.update(NCCL_P2P_DISABLE="1", NCCL_IB_DISABLE="1")
        state = PartialState(backend="cpu:gloo,cuda:nccl", timeout=PATIENCE)
    return Processes(state.process_index, state.num_processes)


def leave() -> None:
    """Let go of the others at the end, when nobody waits for anybody.

    Without it gloo's thread may still hold the last exchange's tensors when Python is gone, and abort the process: then
    torchrun ends the other ones (https://github.com/pytorch/pytorch/pull/179291).
    """
    distributed.destroy_process_group()


@contextmanager
def _losing_peers() -> Iterator[None]:
    """Raises PeerLost where an exchange fails: the tensors are the same everywhere, so somebody is gone."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise PeerLost from error


def leave_word(words: str) -> None:
    """Tell the first process why this one ends; the first such word stays."""
    with suppress(RuntimeError):  # torchrun, which keeps it, is gone too
        _store().compare_set(LAST_WORDS, "", words)


def last_words() -> str | None:
    """Why another process ended, if it told."""
    with suppress(RuntimeError):
        store = _store()
        if store.check([LAST_WORDS]):
            return store.get(LAST_WORDS).decode()
    return None


def _store() -> distributed.TCPStore:
    """torchrun's own, which outlives each process."""
    return distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
