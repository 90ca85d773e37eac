"""A compiled UNet computes what the plain one does, and every parameter keeps its name."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from engine.models.load import load_models
from engine.settings import LoraSection, ModelSection
from engine.training.lora import add_adapters, lora_parameters


def gradient(unet: UNet2DConditionModel) -> Tensor:
    """Of all LoRA parameters, for one fixed question."""
    generator = torch.Generator().manual_seed(0)
    prediction = unet(
        torch.randn(1, 4, 8, 8, generator=generator),
        torch.tensor([500]),
        encoder_hidden_states=torch.randn(1, 77, 96, generator=generator),
        added_cond_kwargs={
            "text_embeds": torch.randn(1, 64, generator=generator),
            "time_ids": torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]]),
        },
    ).sample
    prediction.square().mean().backward()
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
            unet.compile_repeated_blocks(backend="aot_eager")  # inductor, without its code generation
        assert [name for name, _ in unet.named_parameters()] == names and list(unet.state_dict()) == keys
        gradients.append(gradient(unet))
    torch.testing.assert_close(*gradients)
