"""Prompts longer than CLIP's 75 tokens: how they are split into chunks, and how much of them is read at all."""

from collections.abc import Sequence

from curation.clip_tokens import LIMIT as TEXT_TOKENS

MOST_CHUNKS = 3
"""Chunks that a caption is read in with chunk_captions: kohya's largest max_token_length, 225."""

LONG_WORD = 8
"""Tokens from which on a word may be split between two chunks (ComfyUI's max_word_length)."""


def split_chunks(words: Sequence[Sequence[int]]) -> list[list[int]]:
    """The tokens of a prompt's words in chunks of at most 75, at least one chunk, which may be empty.

    A word that does not fit begins the next chunk, as in ComfyUI; only a word of 8 tokens or more is split.
    """
    chunks: list[list[int]] = [[]]
    for word in words:
        rest = list(word)
        while rest:
            room = TEXT_TOKENS - len(chunks[-1])
            if len(rest) <= room:
                chunks[-1] += rest
                break
            if len(word) >= LONG_WORD:
                chunks[-1] += rest[:room]
                rest = rest[room:]
            chunks.append([])
    return chunks
