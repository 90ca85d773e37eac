"""A compiled UNet computes what the plain one does, and every parameter keeps its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch._dynamo.utils import counters

from engine.models.load import Models, load_models
from engine.settings import LoraSection, ModelSection
from engine.training.compiled import compile_blocks
from engine.training.lora import add_adapters, lora_parameters


@pytest.fixture(autouse=True)
def compiler() -> Iterator[None]:
    """As it is at the start of a process."""
    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(recompile_limit=8):
        yield
    torch._dynamo.reset()


def answer(unet: UNet2DConditionModel, height: int = 8, width: int = 8, text_trains: bool = False) -> Tensor:
    """The UNet's to a fixed question."""
    generator = torch.Generator().manual_seed(0)
    prompt_embeds = torch.randn(1, 77, 96, generator=generator).requires_grad_(text_trains)
    return unet(
        torch.randn(1, 4, height, width, generator=generator),
        torch.tensor([500]),
        encoder_hidden_states=prompt_embeds,
        added_cond_kwargs={
            "text_embeds": torch.randn(1, 64, generator=generator),
            "time_ids": torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]]),
        },
    ).sample


def gradient(unet: UNet2DConditionModel) -> Tensor:
    """Of all LoRA parameters."""
    answer(unet).square().mean().backward()
    return torch.cat([parameter.grad.flatten() for parameter in lora_parameters(unet) if parameter.grad is not None])


@pytest.mark.slow
@pytest.mark.parametrize("quantize", [None, "fp8"])
def test_blocks_that_are_compiled_in_place_keep_names_and_gradients(tiny_model: Path, quantize: str | None) -> None:
    gradients = []
    for is_compiled in (False, True):
        source = ModelSection(pretrained_model_name_or_path=str(tiny_model), quantize=quantize)  # pyright: ignore[reportArgumentType]
        models = load_models(source, torch.float32, torch.device("cpu"))
        add_adapters(models, LoraSection(rank=4), False, seed=0)
        unet = models.unet.train()
        unet.enable_gradient_checkpointing()
        names, keys = [name for name, _ in unet.named_parameters()], list(unet.state_dict())
        if is_compiled:
            compile_blocks(unet, "aot_eager")  # inductor, without its code generation
        assert [name for name, _ in unet.named_parameters()] == names and list(unet.state_dict()) == keys
        gradients.append(gradient(unet))
    torch.testing.assert_close(*gradients)


@pytest.mark.slow
def test_all_that_a_run_asks_of_the_blocks_is_compiled(tiny_models: Models) -> None:
    """Before and after the pivot, for pictures, for the base model's predictions, and in buckets."""
    add_adapters(tiny_models, LoraSection(rank=4), False, seed=0)
    unet = tiny_models.unet
    compile_blocks(unet, "aot_eager")
    for height, width in ((8, 8), (8, 12), (12, 8)):
        unet.train()
        for text_trains in (True, False):
            answer(unet, height, width, text_trains)
        with torch.no_grad():
            answer(unet, height, width)
            answer(unet.eval(), height, width)
    assert not [reason for reason in counters["unimplemented"] if "recompile limit" in reason]
