"""What a sample's caption is on one occasion: dropped, or its tags shuffled, or as it was written."""

import torch

from curation.captions import tags_of
from engine.chance import draw_seed, generator
from engine.settings import DataSection


def drawn_caption(caption: str, data: DataSection, seed: int, purpose: str, position: int) -> str:
    """The caption that the sample at `position` is trained on, as `data` asks for: "" for the share that is dropped."""
    if draw_seed(seed, f"{purpose} caption dropout", position) < data.caption_dropout_rate * 2**32:
        return ""
    if data.shuffle_caption:
        return shuffle_tags(caption, data.keep_tokens, generator(seed, f"{purpose} caption shuffle", position))
    return caption


def shuffle_tags(caption: str, keep_tokens: int, chance: torch.Generator) -> str:
    """The caption with its tags, what stands between commas, in a drawn order; the first `keep_tokens` stay first.

    No tag is taken apart, so that a trigger word stays whole wherever it stands.
    """
    tags = tags_of(caption)
    kept, rest = tags[:keep_tokens], tags[keep_tokens:]
    if len(rest) < 2:
        return caption
    return ", ".join(kept + [rest[place] for place in torch.randperm(len(rest), generator=chance).tolist()])
