"""How often each tag or word stands in the captions of a set."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from curation.captions import tags_of

Unit = Literal["tag", "word"]
"""Tags are what stands between commas; words are told apart by case, as trigger words are."""

_WORD = re.compile("\\w+(?:['\N{RIGHT SINGLE QUOTATION MARK}-]\\w+)*")


@dataclass(frozen=True)
class Frequency:
    """text: a tag or a word.  captions: how many captions have it, however often each says it."""

    text: str
    captions: int


def parts_of(caption: str, unit: Unit) -> list[str]:
    """The tags or the words of a caption, in its order."""
    return tags_of(caption) if unit == "tag" else _WORD.findall(caption)


def frequencies(captions: Iterable[str], unit: Unit) -> tuple[Frequency, ...]:
    """The tags or words of all captions, the most frequent first, those of one number by the alphabet."""
    counts = Counter(part for caption in captions for part in set(parts_of(caption, unit)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].casefold(), item[0]))
    return tuple(Frequency(text, count) for text, count in ranked)
