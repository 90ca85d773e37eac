"""Prompts longer than CLIP's 75 tokens: how they are split into chunks, and how much of them is read at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.clip_tokens import LIMIT as TEXT_TOKENS
from curation.clip_tokens import token_count
from curation.triggers import trigger_pattern
from engine.config import TrainConfig
from engine.settings import TextEncoderSection

MOST_CHUNKS = 3
"""Chunks that a caption is read in with chunk_captions: kohya's largest max_token_length, 225."""

LONG_WORD = 8
"""Tokens from which on a word may be split between two chunks (ComfyUI's max_word_length)."""


STAND_IN = "\N{OBJECT REPLACEMENT CHARACTER}"
"""For a trigger word that is counted: one word, whatever it is written like."""


@dataclass(frozen=True)
class CutCaption:
    """A caption that is longer than what is read of it. tokens, read: without the marks of start and end."""

    name: str
    tokens: int
    read: int


def most_chunks(text_encoder: TextEncoderSection) -> int:
    """How many chunks of a caption are read at most."""
    return MOST_CHUNKS if text_encoder.chunk_captions else 1


def cut_captions(captions: Mapping[str, str], config: TrainConfig, tokenizer: Path | None) -> list[CutCaption]:
    """The captions, by photo or prompt, whose ends would be cut off, with their trigger words replaced by new tokens.

    tokenizer: the model's own file; see `curation.clip_tokens.token_count`, which counts exactly and raises
    CurationError.
    """
    text_encoder = config.text_encoder
    triggers = config.concept.token_abstraction if text_encoder.train_text_encoder_ti else []
    chunks = most_chunks(text_encoder)
    cut = []
    for name, caption in captions.items():
        words = trigger_pattern(triggers).sub(STAND_IN, caption).split(" ")
        counts = [
            token_count(word, [STAND_IN], text_encoder.num_new_tokens_per_abstraction, tokenizer) for word in words
        ]
        tokens = sum(counts)
        read = sum(len(chunk) for chunk in split_chunks([range(count) for count in counts])[:chunks])
        read = min(tokens, TEXT_TOKENS) if chunks == 1 else read  # cut anywhere, also inside a word
        if read < tokens:
            cut.append(CutCaption(name, tokens, read))
    return cut


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
