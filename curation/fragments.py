"""Runs of words that most captions share."""

import re
from collections import Counter
from collections.abc import Sequence

from curation.triggers import trigger_pattern

Words = tuple[str, ...]

_WORD = re.compile(r"\w[\w'-]*")
_OPENING = re.compile(
    r"\A\W*(?:(?:an?|the) )?(?:\w+ )?(?:photo|photograph|picture|image|portrait) of (?:an? |the )?", re.IGNORECASE
)


def phrases(caption: str, triggers: Sequence[str], instance_prompt: str | None) -> tuple[Words, ...]:
    """The caption's words in lower case, without those that name the concept; a run of words does not go past these.

    Left out are the trigger words with what leads up to them since the last comma ("a photo of TOK", "in the style of
    TOK"), the instance prompt, and an opening such as "a photo of a".
    """
    rest = caption.replace(instance_prompt, ", ") if instance_prompt else caption
    pieces = trigger_pattern(triggers).split(rest)
    led_up = [re.sub(r"[^,.;:]*\Z", "", piece) for piece in pieces[:-1]]
    return tuple(tuple(_WORD.findall(_OPENING.sub("", piece).casefold())) for piece in [*led_up, pieces[-1]])


def common_fragments(captions: Sequence[Sequence[Words]], words: int, least: float) -> list[Words]:
    """The runs of at least `words` words that stand in at least `least` of the captions, each a list of phrases.

    Longest first, and none that is a part of a longer one.
    """
    found: list[Words] = []
    size = words
    # A run is common only if its parts are: no longer one needs to be looked for where there is none of this size.
    while common := _common(captions, size, least):
        inner = {part for gram in common for part in (gram[1:], gram[:-1])}
        found = common + [gram for gram in found if gram not in inner]
        size += 1
    return found


def _common(captions: Sequence[Sequence[Words]], size: int, least: float) -> list[Words]:
    counts = Counter(gram for caption in captions for gram in runs(caption, size))
    return sorted(gram for gram, count in counts.items() if count >= least)


def runs(caption: Sequence[Words], size: int) -> set[Words]:
    """Every run of so many words in the caption's phrases."""
    return {phrase[start : start + size] for phrase in caption for start in range(len(phrase) - size + 1)}
