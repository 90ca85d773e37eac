"""An end for a regular expression that tries for ever: nothing else could end it, and no key is heard meanwhile."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in what it holds, after that many seconds; in the main thread, where Python hears signals.

    `re` searches with the interpreter's lock, so another thread could not even look at the clock; but now and then it
    looks for signals.
    """
    is_over = False

    def end(number: int, frame: FrameType | None) -> None:
        if not is_over:
            raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
