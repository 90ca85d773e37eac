"""Placeholder tokens: written for trigger words, learned as rows of their own, nothing else moved."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.models.load import Models
from engine.rundir import create_run
from engine.settings import LoraSection
from engine.text.abstractions import placeholder_tokens, replace_abstractions
from engine.text.prompts import encode_prompts
from engine.text.tokens import PlaceholderEmbedding, insert_placeholders, keep_norm, vocabulary_std
from engine.training.lora import add_adapters
from tests.engine.training import Train, trainer_of

TOKENS = {"TOK": ("<s0>", "<s1>")}


def test_tokens_are_numbered_through_all_trigger_words() -> None:
    assert placeholder_tokens(["TOK"], 2) == {"TOK": ("<s0>", "<s1>")}
    assert placeholder_tokens(["A", "B", "A"], 1) == {"A": ("<s0>",), "B": ("<s1>",)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a photo of TOK", "a photo of <s0><s1>"),
        ("TOK, by the TOK-like sea (TOK)", "<s0><s1>, by the <s0><s1>-like sea (<s0><s1>)"),
        ("TOKYO, tok, xTOK, TOK_2, TOK2", "TOKYO, tok, xTOK, TOK_2, TOK2"),
        ("", ""),
    ],
)
def test_only_whole_words_in_their_own_case_are_replaced(text: str, expected: str) -> None:
    assert replace_abstractions(text, TOKENS) == expected


def test_the_longer_of_two_trigger_words_wins() -> None:
    tokens = placeholder_tokens(["dog", "dog house", "a+b"], 1)
    assert replace_abstractions("dog house, a dog, a+b", tokens) == "<s1>, a <s0>, <s2>"


def test_without_trigger_words_nothing_is_replaced() -> None:
    assert replace_abstractions("a photo of TOK", {}) == "a photo of TOK"


@given(st.lists(st.sampled_from(["TOK", "TOKYO", "tok", "a", "TOK's", "(TOK)", "猫", ",", "\\1", "<s0>"])))
def test_replacing_leaves_no_whole_trigger_word_and_every_other_word(words: list[str]) -> None:
    text = " ".join(words)
    replaced = replace_abstractions(text, TOKENS)
    assert not re.search(r"\bTOK\b", replaced)
    assert replaced.replace("<s0><s1>", "TOK") == text
    assert replace_abstractions(replaced, TOKENS) == replaced


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_give_the_outputs_and_gradients_of_a_whole_table(dtype: torch.dtype) -> None:
    table = nn.Embedding(10, 4, dtype=dtype)
    rows = table.weight.detach()[8:].float()
    embedding = PlaceholderEmbedding(table, rows)
    ids, direction = torch.tensor([[0, 8, 9, 8]]), torch.randn(1, 4, 4, dtype=dtype)

    (F.embedding(ids, table.weight) * direction).sum().backward()
    (embedding(ids) * direction).sum().backward()
    assert torch.equal(embedding(ids), table(ids))
    assert table.weight.grad is not None
    assert embedding.rows.grad is not None
    torch.testing.assert_close(embedding.rows.grad.to(dtype), table.weight.grad[8:])
    assert embedding.weight.grad is None
    assert set(embedding.state_dict()) == {"weight", "rows"}


def test_only_the_new_rows_train_beside_the_adapters(tiny_models: Models) -> None:
    add_adapters(tiny_models, LoraSection(rank=2), False, seed=0)
    insert_placeholders(tiny_models, TOKENS, seed=0)
    for text_encoder in (tiny_models.text_encoder, tiny_models.text_encoder_2):
        trainable = [name for name, parameter in text_encoder.named_parameters() if parameter.requires_grad]
        assert [name.rpartition(".")[2] for name in trainable] == ["rows"]
    assert all("lora" in name for name, p in tiny_models.unet.named_parameters() if p.requires_grad)


def test_new_rows_start_with_the_vocabularys_spread_from_the_seed_alone(tiny_models: Models) -> None:
    vocabulary: Any = tiny_models.text_encoder_2.get_input_embeddings()
    table = vocabulary.weight.clone()
    before = torch.get_rng_state()
    rows, rows_2 = insert_placeholders(tiny_models, placeholder_tokens(["TOK"], 50), seed=7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(rows_2.std(), table.std(), rtol=0.1, atol=0)
    generator = torch.Generator().manual_seed(7)
    assert torch.equal(torch.sign(rows), torch.sign(torch.randn(rows.shape, generator=generator)))
    enlarged: Any = tiny_models.text_encoder_2.get_input_embeddings()
    assert torch.equal(enlarged.weight[: len(table)], table)


def test_new_rows_may_start_from_a_words_own_tokens(tiny_models: Models) -> None:
    """Of each trigger word anew, over and over until there are enough."""
    encoders: Any = (tiny_models.text_encoder, tiny_models.text_encoder_2)
    tables = [encoder.get_input_embeddings().weight.clone() for encoder in encoders]
    ids: Any = tiny_models.tokenizer("old woman", add_special_tokens=False).input_ids
    assert len(ids) == 2
    tokens = {"TOK": ("<s0>", "<s1>", "<s2>"), "DOG": ("<s3>",)}
    rows = insert_placeholders(tiny_models, tokens, seed=0, initializer_concept="old woman")
    for table, new in zip(tables, rows, strict=True):
        assert torch.equal(new, table[[*ids, ids[0], ids[0]]])
        assert new.dtype == torch.float32


def test_a_word_without_tokens_starts_nothing(tiny_models: Models) -> None:
    with pytest.raises(EngineError, match="initializer_concept is blank"):
        insert_placeholders(tiny_models, TOKENS, seed=0, initializer_concept=" ")


def test_norms_are_kept_near_the_vocabularys(tiny_models: Models) -> None:
    """Too large or too small by a factor of 4, they come a tenth of that way back, and in the end all of it."""
    encoder = tiny_models.text_encoder
    table: Any = encoder.get_input_embeddings()
    std = table.weight.std().item()
    rows, _ = insert_placeholders(tiny_models, TOKENS, seed=0)
    assert vocabulary_std(encoder) == pytest.approx(std)
    for factor in (4.0, 0.25):
        rows.data = torch.randn(rows.shape) * std
        rows.data *= factor * std / rows.data.std()
        kept = rows.detach().clone()
        keep_norm(rows, std)
        torch.testing.assert_close(rows.data, kept * (1 / factor) ** 0.1)
        for _ in range(100):
            keep_norm(rows, std)
        assert rows.std().item() == pytest.approx(std, rel=1e-3)


def test_keeping_the_norm_leaves_a_flat_view_in_its_place(tiny_models: Models) -> None:
    rows, _ = insert_placeholders(tiny_models, TOKENS, seed=0)
    flat = rows.detach().flatten().clone()
    rows.data = flat.view_as(rows)
    keep_norm(rows, 1.0)
    assert torch.equal(rows.detach().flatten(), flat)
    assert rows.requires_grad and rows.is_leaf


def test_a_run_keeps_the_norm_at_each_step_until_the_pivot_and_not_after(train: Train) -> None:
    """Of rows that a decay takes a tenth from at each step, of three steps of which two come before the pivot."""
    trainer, _ = train(
        "run",
        text_encoder={
            "initializer_concept": "dog",
            "text_encoder_lr": 1e-7,
            "adam_weight_decay_text_encoder": 1e6,
            "train_text_encoder_ti_frac": 2 / 3,
        },
        optimizer={"optimizer": "adamw"},
        run={"max_train_steps": 3},
    )
    tokenizers = (trainer.models.tokenizer, trainer.models.tokenizer_2)
    for tokenizer, encoder in zip(
        tokenizers, (trainer.models.text_encoder, trainer.models.text_encoder_2), strict=True
    ):
        ids: Any = tokenizer("dog", add_special_tokens=False).input_ids * 2
        table: Any = encoder.get_input_embeddings()
        expected, std = table.weight[ids].clone(), table.weight[ids].std()
        for _ in range(2):
            expected *= 0.9
            expected *= (std / expected.std()) ** 0.1
        torch.testing.assert_close(table.rows.detach(), expected, rtol=1e-3, atol=1e-6)


def test_keeping_the_norm_moves_rows_no_further_than_prodigys_first_steps_do(
    train: Train, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """They are a millionth long, and its estimate measures how far the parameters have come."""
    settings = config(optimizer={"optimizer": "prodigy"})
    start = trainer_of(create_run(tmp_path, "start", settings), settings)
    trainer, _ = train("run", optimizer={"optimizer": "prodigy"})
    for (rows, _), (before, _) in zip(trainer.new_rows, start.new_rows, strict=True):
        assert 0 < (rows - before).abs().max() < 2e-5


def test_new_tokens_reach_both_encoders_and_gradients_reach_their_rows(tiny_models: Models) -> None:
    rows, rows_2 = insert_placeholders(tiny_models, {**TOKENS, "DOG": ("<s2>",)}, seed=0)
    assert tiny_models.tokenizer("<s0><s1>").input_ids[1:-1] == tiny_models.tokenizer("<s0> <s1>").input_ids[1:-1]
    prompt_embeds, pooled = encode_prompts(tiny_models, ["a photo of <s0><s1>"])
    (prompt_embeds.square().sum() + pooled.square().sum()).backward()
    for parameter in (rows, rows_2):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum(dim=1).bool().tolist() == [True, True, False]


def test_a_base_model_that_has_such_tokens_is_refused(tiny_models: Models) -> None:
    insert_placeholders(tiny_models, TOKENS, seed=0)
    with pytest.raises(EngineError, match="already has a token <s0>"):
        insert_placeholders(tiny_models, TOKENS, seed=0)
