"""A limit of time for regular expressions that try for ever."""

import re
import signal

import pytest

from loratui.captions.time_limit import time_limit


def test_an_expression_that_tries_for_ever_is_ended() -> None:
    with pytest.raises(TimeoutError), time_limit(0.1):
        re.sub(r"(a+)+$", "", "a" * 60 + "!")


def test_what_is_done_in_time_is_done_and_no_alarm_comes_after_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    try:
        with time_limit(30):
            assert re.sub("a+", "b", "caat") == "cbt"
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        signal.raise_signal(signal.SIGALRM)
        assert heard == [signal.SIGALRM]  # whoever listened before is back
    finally:
        signal.signal(signal.SIGALRM, before)
