"""CLIP's tokenizer, built from its merges alone: the vocabulary follows from them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
SDXL_PADS = (END, "!")  # of the first tokenizer and of the second


def sdxl_tokenizers(merges: Sequence[tuple[str, str]]) -> tuple[CLIPTokenizer, CLIPTokenizer]:
    """SDXL's two tokenizers: the same tokens, padded differently."""
    first, second = (
        CLIPTokenizer(vocab=vocabulary(merges), merges=list(merges), pad_token=pad, model_max_length=77)  # pyright: ignore[reportCallIssue, reportArgumentType]
        for pad in SDXL_PADS
    )
    return first, second


def vocabulary(merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """CLIP's order: all bytes ("!" first), the same ending a word, the merges, and start and end with the last ids."""
    alphabet = sorted(ByteLevel.alphabet())
    endings = [character + END_OF_WORD for character in alphabet]
    tokens = [*alphabet, *endings, *dict.fromkeys(left + right for left, right in merges), START, END]
    return {token: index for index, token in enumerate(tokens)}


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The pairs in a `merges.txt`, whose first line is a comment."""
    pairs = (line.split(" ") for line in path.read_text("utf-8").splitlines()[1:])
    return [(left, right) for left, right in pairs]


def merges_for(words: Iterable[str]) -> list[tuple[str, str]]:
    """Byte-pair merges (Sennrich et al., 2016, arXiv:1508.07909) learnt until each word is one token."""
    spellings = [[*word[:-1], word[-1] + END_OF_WORD] for word in words]
    merges: list[tuple[str, str]] = []
    while pairs := Counter(pair for spelling in spellings for pair in pairwise(spelling)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spellings = [_merged(spelling, best) for spelling in spellings]
    return merges


def _merged(spelling: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for symbol in spelling:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return result
