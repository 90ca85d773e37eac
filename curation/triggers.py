"""Trigger words in captions and prompts: found as whole words, in their own case."""

import re
from collections.abc import Iterable


def trigger_pattern(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern that matches each of `words`, but not within another word: TOKYO and tok are no TOK.

    Where one trigger word contains another, the longer one wins.  It matches nothing when there are no words.
    """
    longest_first = sorted(filter(None, words), key=len, reverse=True)
    if not longest_first:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
