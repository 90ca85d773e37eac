"""Trained weights as a value: the same after a file, and put back without moving a parameter."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from engine.errors import EngineError
from engine.models.load import Models, load_models
from engine.settings import LoraSection
from engine.text.tokens import insert_placeholders
from engine.training.lora import add_adapters, lora_parameters
from engine.training.weights import (
    EMBEDDINGS_FILE,
    LORA_FILE,
    apply_weights,
    load_weights,
    save_weights,
    trained_weights,
    write_safetensors,
)

TOKENS = {"TOK": ("<s0>", "<s1>")}


def prepared(models: Models, *, rank: int = 4, seed: int = 0, train_text_encoder: bool = False) -> Models:
    add_adapters(models, LoraSection(rank=rank, lora_alpha=8.0), train_text_encoder, seed)
    insert_placeholders(models, TOKENS, seed)
    return models


def again(models: Models) -> Models:
    return load_models(models.source, torch.float32, torch.device("cpu"))


def test_adapters_start_from_the_seed_alone_in_float32(tiny_models: Models) -> None:
    half = load_models(tiny_models.source, torch.bfloat16, torch.device("cpu"))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = prepared(tiny_models, train_text_encoder=True), prepared(half, train_text_encoder=True)
    assert torch.equal(torch.get_rng_state(), before)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        one, other = lora_parameters(getattr(first, part)), lora_parameters(getattr(second, part))
        assert one
        assert {parameter.dtype for parameter in other} == {torch.float32}
        torch.testing.assert_close(one, other, rtol=0.01, atol=0.001)  # drawn in the base's dtype


def test_weights_come_back_from_a_file_and_its_bytes_repeat(tiny_models: Models, tmp_path: Path) -> None:
    weights = trained_weights(prepared(tiny_models, train_text_encoder=True), TOKENS)
    contents = set()
    for index in range(8):  # the library's own order of the metadata changes from call to call
        folder = tmp_path / str(index)
        folder.mkdir()
        assert save_weights(weights, folder) == (LORA_FILE, EMBEDDINGS_FILE)
        contents.add((folder / LORA_FILE).read_bytes() + (folder / EMBEDDINGS_FILE).read_bytes())
    assert len(contents) == 1

    loaded = load_weights(tmp_path / "0")
    assert loaded.tokens == TOKENS
    assert loaded.adapter_metadata == weights.adapter_metadata
    assert loaded.adapter_metadata["unet"]["lora_alpha"] == 8.0
    for tensors, expected in ((loaded.lora(), weights.lora()), (loaded.embeddings(), weights.embeddings())):
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[key], expected[key]) for key in expected)


def test_a_copy_does_not_follow_the_models(tiny_models: Models) -> None:
    weights = trained_weights(prepared(tiny_models), TOKENS)
    before = {key: tensor.clone() for key, tensor in weights.lora().items()}
    for parameter in lora_parameters(tiny_models.unet):
        parameter.data.add_(1)
    assert all(torch.equal(tensor, before[key]) for key, tensor in weights.lora().items())


def test_weights_are_put_back_in_place(tiny_models: Models) -> None:
    """An optimizer may hold the parameters as views of one flat tensor."""
    weights = trained_weights(prepared(again(tiny_models), seed=1), TOKENS)
    parameters = lora_parameters(prepared(tiny_models, seed=2).unet)
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    offset = 0
    for parameter in parameters:
        parameter.data = flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()

    apply_weights(tiny_models, weights)
    expected = torch.cat([tensor.flatten() for tensor in weights.unet.values()])
    assert torch.equal(flat, expected)
    assert torch.equal(torch.cat([parameter.flatten() for parameter in parameters]), expected)
    restored = trained_weights(tiny_models, TOKENS).embeddings()
    assert all(torch.equal(restored[key], rows) for key, rows in weights.embeddings().items())


def test_weights_of_another_rank_are_refused(tiny_models: Models) -> None:
    weights = trained_weights(prepared(again(tiny_models), rank=2), TOKENS)
    with pytest.raises(EngineError, match="do not fit the model's unet"):
        apply_weights(prepared(tiny_models, rank=4), weights)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "There is no file"), (b"", "cannot be read"), (b"\xff" * 100, "cannot be read")],
)
def test_a_missing_or_damaged_file_is_told(content: bytes | None, problem: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / LORA_FILE).write_bytes(content)
    with pytest.raises(EngineError, match=problem):
        load_weights(tmp_path)


@pytest.mark.parametrize("metadata", [{}, {"lora_adapter_metadata": "{}"}], ids=json.dumps)
def test_another_programs_tensors_are_told(metadata: dict[str, str], tmp_path: Path) -> None:
    write_safetensors(tmp_path / LORA_FILE, {"prior.lora_A": torch.zeros(1)}, metadata)
    with pytest.raises(EngineError, match="not written by loratui"):
        load_weights(tmp_path)


def test_a_file_is_written_as_the_library_would_write_it(tmp_path: Path) -> None:
    tensors = {
        "transposed": torch.randn(3, 4).T,
        "number": torch.tensor(1.5),
        "empty": torch.zeros(0, 4),
        "half": torch.randn(3).half(),
        "brain": torch.randn(5).bfloat16(),
        "bytes": torch.arange(7, dtype=torch.uint8),
        "trained": torch.nn.Parameter(torch.randn(2)),
        "steps": torch.tensor(10**10),
    }
    write_safetensors(tmp_path / "a.safetensors", tensors, {"tokens": '{"TOK": ["<s0>"]}'})
    expected = save({key: tensor.contiguous() for key, tensor in tensors.items()}, {"tokens": '{"TOK": ["<s0>"]}'})
    assert (tmp_path / "a.safetensors").read_bytes() == expected
