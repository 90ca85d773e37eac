"""Work on many things at a time, as many as this process has processors, in memory that does not grow with them."""

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """The results as they come, in any order. Only a few items for each processor are under way at a time."""
    workers = processors()
    waiting = iter(items)
    pool = ThreadPoolExecutor(workers)
    keep_freed_memory()
    with _one_thread_for_each_picture():
        try:
            pending: set[Future[R]] = {pool.submit(work, item) for item in islice(waiting, 2 * workers)}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                pending |= {pool.submit(work, item) for item in islice(waiting, len(done))}
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def processors() -> int:
    """How many this process may use, which in a container or under taskset are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep what one picture gave back for the next one, rather than return it to the system.

    Fetching 30 MB anew for each photo takes a quarter of the time that is needed to measure it, and the peak stays the
    same. Only glibc is told (mallopt's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD); elsewhere nothing changes.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(-1, 1 << 30)
        mallopt(-3, 1 << 30)


@contextmanager
def _one_thread_for_each_picture() -> Iterator[None]:
    """Keep OpenCV from splitting each picture among threads, which all work on pictures of their own already."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
