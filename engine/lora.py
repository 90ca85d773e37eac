"""LoRA adapters on SDXL's attention: added in float32, initialised from the seed, addressed by peft's key names."""

import re
from typing import Any

import torch
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from torch import nn

from engine.models import Models
from engine.settings import LoraSection

UNET_TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]
TEXT_ENCODER_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj"]


def add_adapters(models: Models, lora: LoraSection, train_text_encoder: bool, seed: int) -> None:
    """Add a LoRA to the UNet's attention, and to both text encoders' if asked for (targets of the guide's script).

    Its weights are float32 whatever the base's dtype, drawn from `seed` alone, and the only ones that train.
    """
    unet_config = _lora_config(lora, UNET_TARGETS)
    text_config = _lora_config(lora, TEXT_ENCODER_TARGETS)
    modules: list[nn.Module] = [models.unet]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        models.unet.add_adapter(unet_config)
        if train_text_encoder:
            models.text_encoder.add_adapter(text_config)
            models.text_encoder_2.add_adapter(text_config)
            modules += [models.text_encoder, models.text_encoder_2]
    for module in modules:
        cast_training_params(module, torch.float32)


def lora_state(module: nn.Module) -> dict[str, nn.Parameter]:
    """The live LoRA parameters by peft's key, e.g. `mid_block...to_q.lora_A.weight`, in the module's own order.

    Of one adapter, whatever its name.
    """
    return {
        re.sub(r"(\.lora_[AB])\.\w+", r"\1", name): parameter
        for name, parameter in module.named_parameters()
        if ".lora_" in name
    }


def lora_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The LoRA parameters that an optimizer trains, always in the same order; empty without an adapter."""
    return list(lora_state(module).values())


def lora_metadata(module: nn.Module) -> dict[str, object]:
    """The LoraConfig values that a reload needs, fit for JSON; empty without an adapter.

    Only these: an older peft refuses a config with keys that it does not know.
    """
    if not lora_state(module):
        return {}
    config: Any = module.peft_config["default"]  # pyright: ignore[reportIndexIssue, reportArgumentType]
    return {
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": sorted(config.target_modules),
    }


def _lora_config(lora: LoraSection, targets: list[str]) -> LoraConfig:
    alpha: Any = lora.rank if lora.lora_alpha is None else lora.lora_alpha  # peft's annotation says int, floats work
    return LoraConfig(
        r=lora.rank,
        lora_alpha=alpha,
        lora_dropout=lora.lora_dropout,
        init_lora_weights="gaussian",
        target_modules=targets,
    )
