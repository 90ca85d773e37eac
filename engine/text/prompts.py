"""Captions as prompt embeddings: with gradients while the text side trains, from memory once it rests."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.errors import EngineError
from engine.models.adapters import adapters_disabled
from engine.models.load import Models
from engine.settings import TextEncoderSection
from engine.text.abstractions import replace_abstractions
from engine.text.chunks import TEXT_TOKENS, most_chunks, split_chunks
from engine.text.prompt_cache import PromptCache, text_identity

KEPT_CAPTIONS = 512
"""Captions that are met after the pivot and were not cached (shuffled tags): in memory, 0.3 MB each in bf16."""


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
    hidden = _of_one_length([states.flatten(0, 1) for states in output.hidden_states[-skipped].split(counts)])
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
        ids = tokenizer(prompt, add_special_tokens=False, truncation=True, max_length=TEXT_TOKENS).input_ids
        texts = [ids]
    else:
        texts = split_chunks(tokenizer(prompt.split(" "), add_special_tokens=False).input_ids)[:chunks]
    start, end, padding = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    return [[start, *text, end, *[padding] * (TEXT_TOKENS - len(text))] for text in texts]


def _of_one_length(hidden: Sequence[Tensor]) -> Tensor:
    """Each repeated whole until all are equally long, stacked; attention to a repeated sequence is attention to it."""
    length = math.lcm(*(len(states) for states in hidden))
    return torch.stack([states.repeat(length // len(states), 1) for states in hidden])


class PromptEncoder:
    """Encodes captions, their trigger words replaced by the new tokens.

    While the text side trains, each call runs the text encoders.  After `cache` they run only for captions that were
    not cached.  cache_folder: where embeddings of captions are kept for later runs, or None.
    """

    def __init__(
        self,
        models: Models,
        tokens: Mapping[str, tuple[str, ...]],
        text_encoder: TextEncoderSection,
        cache_folder: Path | None,
    ) -> None:
        self._models, self._tokens, self._text_encoder = models, tokens, text_encoder
        self._cache_folder = cache_folder
        self._chunks = most_chunks(text_encoder)
        self._rests = False
        self._cached: dict[str, tuple[Tensor, Tensor]] = {}  # on the CPU
        self._encoded_before = lru_cache(maxsize=KEPT_CAPTIONS)(self._encode_alone)

    def encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """prompt_embeds, shape (batch, 77 * n, width), and pooled_prompt_embeds, shape (batch, projection).

        With gradients until `cache` was called.  An empty caption is encoded like any other.
        """
        if not self._rests:
            return self._encode([replace_abstractions(caption, self._tokens) for caption in captions])
        kept = [self._cached.get(caption) or self._encoded_before(caption) for caption in captions]
        device = self._models.unet.device
        embeds, pooled = [embeds.to(device) for embeds, _ in kept], [pooled.to(device) for _, pooled in kept]
        return _of_one_length(embeds), torch.stack(pooled)

    def cache(self, captions: Sequence[str]) -> Iterator[int]:
        """Encode each caption a last time, yielding how many are done; the text encoders no longer run for these.

        From here on nothing of the text side may change.
        """
        self._models.text_encoder.eval()
        self._models.text_encoder_2.eval()
        self._rests = True
        folder = self._cache_folder
        disk = folder and PromptCache(folder / "prompts", text_identity(self._models, self._text_encoder))
        for done, caption in enumerate(captions, start=1):
            prompt = replace_abstractions(caption, self._tokens)
            embeddings = disk.read(prompt) if disk else None
            if embeddings is None:
                embeddings = self._encode_alone(caption)
                if disk:
                    disk.write(prompt, *embeddings)
            self._cached[caption] = embeddings
            yield done

    @torch.no_grad()
    def encode_as_base(self, prompt: str) -> tuple[Tensor, Tensor]:
        """The prompt as the base model reads it, without LoRA and new tokens.

        Shapes (1, 77 * n, width) and (1, projection).
        """
        with adapters_disabled(self._models.text_encoder, self._models.text_encoder_2):
            return self._encode([prompt])

    @torch.no_grad()
    def _encode_alone(self, caption: str) -> tuple[Tensor, Tensor]:
        """On the CPU, shapes (77 * n, width) and (projection,)."""
        embeds, pooled = self._encode([replace_abstractions(caption, self._tokens)])
        return embeds[0].cpu(), pooled[0].cpu()

    def _encode(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return encode_prompts(self._models, prompts, self._text_encoder.clip_skip, self._chunks)
