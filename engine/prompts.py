"""Captions as prompt embeddings: with gradients while the text side trains, from memory once it rests."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.config import TrainConfig
from engine.models import Models, encode_prompts
from engine.tokens import replace_abstractions


def sample_prompt(config: TrainConfig) -> str:
    """What shows the concept: the validation prompt, else the instance prompt, else a photo of the trigger word."""
    return (
        config.sample.validation_prompt
        or config.concept.instance_prompt
        or f"a photo of {config.concept.token_abstraction[0]}"
    )


class PromptEncoder:
    """Encodes captions, their trigger words replaced by the new tokens."""

    def __init__(self, models: Models, tokens: Mapping[str, tuple[str, ...]]) -> None:
        self._models, self._tokens = models, tokens
        self._cached: dict[str, tuple[Tensor, Tensor]] = {}

    def encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """prompt_embeds, shape (batch, 77, width), and pooled_prompt_embeds, shape (batch, projection)."""
        if not self._cached:
            return encode_prompts(self._models, [replace_abstractions(caption, self._tokens) for caption in captions])
        embeds, pooled = zip(*(self._cached[caption] for caption in captions), strict=True)
        return torch.stack(embeds), torch.stack(pooled)

    @torch.no_grad()
    def cache(self, captions: Sequence[str]) -> Iterator[int]:
        """Encode each caption a last time, yielding how many are done; the text encoders then no longer run."""
        self._models.text_encoder.eval()
        self._models.text_encoder_2.eval()
        cached = {}
        for caption in captions:
            embeds, pooled = encode_prompts(self._models, [replace_abstractions(caption, self._tokens)])
            cached[caption] = embeds[0], pooled[0]
            yield len(cached)
        self._cached = cached
