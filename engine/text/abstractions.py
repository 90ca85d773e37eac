"""Trigger words and the new tokens that stand for them in a prompt; told without torch."""

from collections.abc import Mapping, Sequence

from curation.triggers import trigger_pattern
from engine.config import TrainConfig


def placeholder_tokens(
    token_abstraction: Sequence[str], num_new_tokens_per_abstraction: int
) -> dict[str, tuple[str, ...]]:
    """The new tokens of each trigger word, numbered through: {"TOK": ("<s0>", "<s1>"), "DOG": ("<s2>", "<s3>")}."""
    count = num_new_tokens_per_abstraction
    return {
        word: tuple(f"<s{index * count + offset}>" for offset in range(count))
        for index, word in enumerate(dict.fromkeys(token_abstraction))
    }


def run_tokens(config: TrainConfig) -> dict[str, tuple[str, ...]]:
    """The new tokens of a run by trigger word; empty when it trains none."""
    text_encoder = config.text_encoder
    if not text_encoder.train_text_encoder_ti:
        return {}
    return placeholder_tokens(config.concept.token_abstraction, text_encoder.num_new_tokens_per_abstraction)


def replace_abstractions(text: str, tokens: Mapping[str, tuple[str, ...]]) -> str:
    """Write the new tokens for their trigger words: "a photo of TOK" becomes "a photo of <s0><s1>".

    Whole words only, in their own case: TOKYO and tok stay.  Where one trigger word contains another, the longer wins.
    """
    return trigger_pattern(tokens).sub(lambda match: "".join(tokens[match.group()]), text)
