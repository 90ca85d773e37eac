"""Captions as prompt embeddings: with gradients while the text side trains, from memory once it rests."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.chunks import MOST_CHUNKS, TEXT_TOKENS, split_chunks
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.models import Models
from engine.settings import TextEncoderSection
from engine.tokens import replace_abstractions


class TextEncoders(Protocol):
    """What turns prompts into embeddings: `Models`, or a StableDiffusionXLPipeline."""

    tokenizer: Any
    tokenizer_2: Any
    text_encoder: Any
    text_encoder_2: Any


def encode_prompts(
    models: TextEncoders, prompts: Sequence[str], clip_skip: int | None = None, chunks: int = 1
) -> tuple[Tensor, Tensor]:
    """What the UNet is told by `prompts`, as `StableDiffusionXLPipeline.encode_prompt` computes it.

    clip_skip: layers of both encoders to skip beyond the last, which SDXL itself skips.  chunks: most chunks of 75
    tokens that a prompt is encoded in; what does not fit is cut.

    Returns prompt_embeds, shape (batch, 77 * n, width_1 + width_2), hidden states of both encoders, and
    pooled_prompt_embeds, shape (batch, projection), the second encoder's output at the end of the first chunk.  n is 1
    where every prompt fits into 77 tokens, with start and end.  Chunks follow each other along the sequence; a prompt
    with fewer of them than another is repeated whole, which changes nothing for attention (ComfyUI joins prompts so).
    Gradients flow where the caller has them enabled.  Raises EngineError when clip_skip leaves no layer.
    """
    hidden_1, _ = _encode(models.tokenizer, models.text_encoder, prompts, clip_skip, chunks)
    hidden_2, pooled = _encode(models.tokenizer_2, models.text_encoder_2, prompts, clip_skip, chunks)
    assert pooled is not None
    return torch.cat([hidden_1, hidden_2], dim=-1), pooled


def _encode(
    tokenizer: Any, text_encoder: Any, prompts: Sequence[str], clip_skip: int | None, chunks: int
) -> tuple[Tensor, Tensor | None]:
    """Hidden states, shape (batch, 77 * n, width), and of an encoder with a projection the pooled output."""
    ids_of_prompts = [_chunk_ids(tokenizer, prompt, chunks) for prompt in prompts]
    counts = [len(ids) for ids in ids_of_prompts]
    device = next(text_encoder.parameters()).device
    ids = torch.tensor([chunk for chunks_of_prompt in ids_of_prompts for chunk in chunks_of_prompt], device=device)
    output = text_encoder(ids, output_hidden_states=True)
    skipped = 2 + (clip_skip or 0)
    if skipped >= len(output.hidden_states):
        raise EngineError(
            f"clip_skip = {clip_skip} skips all {len(output.hidden_states) - 1} layers of a text encoder.",
            "Lower clip_skip, or leave it out.",
        )
    length = math.lcm(*counts)
    hidden = torch.stack(
        [
            torch.cat([states.flatten(0, 1)] * (length // len(states)))
            for states in output.hidden_states[-skipped].split(counts)
        ]
    )
    if not hasattr(text_encoder, "text_projection"):
        return hidden, None
    # At the first end mark. transformers pools there only where its config names the mark; SDXL's published one says 2,
    # with which it pools at the highest id: at the last new token.
    ends = ids.eq(tokenizer.eos_token_id).int().argmax(dim=1)
    ending = output.last_hidden_state[torch.arange(len(ids), device=ids.device), ends]
    firsts = [sum(counts[:index]) for index in range(len(counts))]
    return hidden, text_encoder.text_projection(ending[firsts])


def _chunk_ids(tokenizer: Any, prompt: str, chunks: int) -> list[list[int]]:
    """The prompt's chunks, each of 77 ids: start, up to 75 of the prompt, end, padding."""
    if chunks == 1:
        texts = [tokenizer(prompt, add_special_tokens=False).input_ids[:TEXT_TOKENS]]
    else:
        words = prompt.split()
        ids_of_words = tokenizer(words, add_special_tokens=False).input_ids if words else []
        texts = split_chunks(ids_of_words)[:chunks]
    start, end, padding = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    return [[start, *text, end, *[padding] * (TEXT_TOKENS - len(text))] for text in texts]


def sample_prompt(config: TrainConfig) -> str:
    """What shows the concept: the validation prompt, else the instance prompt, else a photo of the trigger word."""
    return (
        config.sample.validation_prompt
        or config.concept.instance_prompt
        or f"a photo of {config.concept.token_abstraction[0]}"
    )


class PromptEncoder:
    """Encodes captions, their trigger words replaced by the new tokens."""

    def __init__(
        self,
        models: Models,
        tokens: Mapping[str, tuple[str, ...]],
        text_encoder: TextEncoderSection,
        cache_folder: Path | None,
    ) -> None:
        self._models, self._tokens, self._cache_folder = models, tokens, cache_folder
        self._clip_skip = text_encoder.clip_skip
        self._chunks = MOST_CHUNKS if text_encoder.chunk_captions else 1
        self._cached: dict[str, tuple[Tensor, Tensor]] = {}

    def encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """prompt_embeds, shape (batch, 77 * n, width), and pooled_prompt_embeds, shape (batch, projection)."""
        if not self._cached:
            return self._encode(captions)
        embeds, pooled = zip(*(self._cached[caption] for caption in captions), strict=True)
        return torch.stack(embeds), torch.stack(pooled)

    @torch.no_grad()
    def cache(self, captions: Sequence[str]) -> Iterator[int]:
        """Encode each caption a last time, yielding how many are done; the text encoders then no longer run."""
        self._models.text_encoder.eval()
        self._models.text_encoder_2.eval()
        cached = {}
        for caption in captions:
            embeds, pooled = self._encode([caption])
            cached[caption] = embeds[0], pooled[0]
            yield len(cached)
        self._cached = cached

    def _encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        prompts = [replace_abstractions(caption, self._tokens) for caption in captions]
        return encode_prompts(self._models, prompts, self._clip_skip, self._chunks)
