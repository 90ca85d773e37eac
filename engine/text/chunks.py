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


@dataclass(frozen=True)
class Length:
    """How long a caption is.

    tokens: without the marks of start and end.  read: those that are not cut off.  chunks: of at most 75 tokens, in
    which these are read.
    """

    tokens: int
    read: int
    chunks: int


def most_chunks(text_encoder: TextEncoderSection) -> int:
    """How many chunks of a caption are read at most."""
    return MOST_CHUNKS if text_encoder.chunk_captions else 1


def length_of(caption: str, config: TrainConfig, tokenizer: Path | None) -> Length:
    """How long a caption or prompt is, with its trigger words replaced by new tokens.

    tokenizer: the model's own file; see `curation.clip_tokens.token_count`, which counts exactly and raises
    CurationError.
    """
    text_encoder = config.text_encoder
    triggers = config.concept.token_abstraction if text_encoder.train_text_encoder_ti else []
    words = trigger_pattern(triggers).sub(STAND_IN, caption).split(" ")
    counts = [token_count(word, [STAND_IN], text_encoder.num_new_tokens_per_abstraction, tokenizer) for word in words]
    tokens, most = sum(counts), most_chunks(text_encoder)
    if most == 1:  # cut anywhere, also inside a word
        return Length(tokens, min(tokens, TEXT_TOKENS), 1)
    chunks = split_chunks([range(count) for count in counts])[:most]
    return Length(tokens, sum(len(chunk) for chunk in chunks), len(chunks))


def cut_captions(captions: Mapping[str, str], config: TrainConfig, tokenizer: Path | None) -> list[CutCaption]:
    """The captions, by photo or prompt, whose ends would be cut off; arguments and errors as in `length_of`."""
    lengths = {name: length_of(caption, config, tokenizer) for name, caption in captions.items()}
    return [
        CutCaption(name, length.tokens, length.read) for name, length in lengths.items() if length.read < length.tokens
    ]


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
