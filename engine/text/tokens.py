"""Placeholder tokens: put new words into tokenizers and text encoders, and train only their embeddings."""

from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTokenizer, PreTrainedModel

from engine.errors import EngineError
from engine.models.load import Models


class PlaceholderEmbedding(nn.Embedding):
    """An embedding table whose last rows are parameters of their own.

    The frozen table keeps its key `weight`; only `rows`, float32, shape (n, width), can train.  A gradient of the
    whole table would cost 60 times the time and 40 times the memory at SDXL's size.
    """

    def __init__(self, table: nn.Embedding, rows: Tensor) -> None:
        super().__init__(table.num_embeddings, table.embedding_dim, _weight=table.weight.detach(), _freeze=True)
        self.first = table.num_embeddings - len(rows)
        self.rows = nn.Parameter(rows)

    def forward(self, input: Tensor) -> Tensor:
        embeddings = super().forward(input)
        is_new = (input >= self.first).unsqueeze(-1)
        new = F.embedding((input - self.first).clamp(min=0), self.rows)
        return torch.where(is_new, new.to(embeddings.dtype), embeddings)


def insert_placeholders(
    models: Models, tokens: Mapping[str, tuple[str, ...]], seed: int, initializer_concept: str | None = None
) -> tuple[nn.Parameter, nn.Parameter]:
    """Add `tokens` to both tokenizers and text encoders; returns the two trainable rows, float32, shapes (n, width).

    Each trigger word's rows start from the embeddings of initializer_concept's tokens, over and over until there are
    enough; without it, as normal noise with the spread of the vocabulary's embeddings, drawn from `seed` alone.  Comes
    after `add_adapters`, which freezes everything but its LoRA.  Raises EngineError when the base model has such a
    token, or initializer_concept has none.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for tokenizer, text_encoder in (
        (models.tokenizer, models.text_encoder),
        (models.tokenizer_2, models.text_encoder_2),
    ):
        if initializer_concept is None:
            start = _noise(text_encoder, sum(map(len, tokens.values())), generator)
        else:
            start = torch.cat([_concept(tokenizer, text_encoder, initializer_concept, len(n)) for n in tokens.values()])
        rows.append(_insert(tokenizer, text_encoder, [name for names in tokens.values() for name in names], start))
    return rows[0], rows[1]


def _noise(text_encoder: PreTrainedModel, count: int, generator: torch.Generator) -> Tensor:
    table: Any = text_encoder.get_input_embeddings()
    return torch.randn(count, table.embedding_dim, generator=generator) * vocabulary_std(text_encoder)


def _concept(tokenizer: CLIPTokenizer, text_encoder: PreTrainedModel, concept: str, count: int) -> Tensor:
    table: Any = text_encoder.get_input_embeddings()
    ids: Any = tokenizer(concept, add_special_tokens=False).input_ids
    if not ids:
        raise EngineError("initializer_concept is blank.", "Name a word, e.g. initializer_concept = 'woman', or none.")
    return table.weight.detach()[list(islice(cycle(ids), count))].float().cpu()


def vocabulary_std(text_encoder: PreTrainedModel) -> float:
    """The standard deviation of the base model's token embeddings, over all their elements."""
    table: Any = text_encoder.get_input_embeddings()
    last = table.first if isinstance(table, PlaceholderEmbedding) else table.num_embeddings
    return table.weight.detach()[:last].float().std().item()


@torch.no_grad()
def keep_norm(rows: Tensor, std: float) -> None:
    """Draw one text encoder's new rows, in place, towards the spread `std`, a tenth of the way in logarithms.

    For after each optimizer step as long as the rows train, and never later.  The guide's script: rows *=
    (std / rows.std()) ** 0.1, over all rows together, with the vocabulary's deviation as std.  Here std is what the
    rows started with, which is the vocabulary's but for chance, or a word's: a pull towards anything else moves them
    10,000 times as far as Prodigy's first steps do, and its estimate d then measures that instead of the distance to go
    (tiny model, 100 steps: d never left d0).
    """
    rows.mul_((std / rows.std()) ** 0.1)


def placeholder_rows(text_encoder: PreTrainedModel) -> nn.Parameter | None:
    """The rows of the new tokens, or None when there are none."""
    embedding = text_encoder.get_input_embeddings()
    return embedding.rows if isinstance(embedding, PlaceholderEmbedding) else None


def _insert(tokenizer: CLIPTokenizer, text_encoder: PreTrainedModel, names: list[str], rows: Tensor) -> nn.Parameter:
    if known := sorted(set(names) & set(tokenizer.get_vocab())):
        raise EngineError(
            f"The base model already has a token {known[0]}.", "Start from a base model without trained tokens."
        )
    tokenizer.add_tokens(names)
    with torch.random.fork_rng():  # the larger table is drawn at random before it is filled
        table = text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    embedding = PlaceholderEmbedding(table, rows.to(table.weight.device))
    assert tokenizer.convert_tokens_to_ids(names) == list(range(embedding.first, len(tokenizer)))
    text_encoder.set_input_embeddings(embedding)
    return embedding.rows
