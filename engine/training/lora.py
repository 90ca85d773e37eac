"""LoRA adapters on SDXL: which layers get one, added in float32 from the seed, addressed by the names of LoRA files."""

import re
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from torch import nn

from engine.defaults import BLORA_BLOCKS
from engine.errors import EngineError
from engine.models.load import Models
from engine.settings import LoraSection

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")
TEXT_ENCODER_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj"]


def add_adapters(models: Models, lora: LoraSection, train_text_encoder: bool, seed: int) -> None:
    """Add a LoRA to the UNet's chosen layers, and to both text encoders' attention if asked for.

    Its weights are float32 whatever the base's dtype, drawn from `seed` alone, and the only ones that train.
    Raises EngineError for a block that the UNet does not have.
    """
    unet_config = _lora_config(lora, unet_target_modules(models.unet, lora))
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
        _start_magnitudes(module)


def unet_target_modules(unet: UNet2DConditionModel, lora: LoraSection) -> list[str] | str:
    """The UNet's layers that get a LoRA, as peft takes them: endings of names, or a pattern that restricts the blocks.

    Also tells on a UNet without weights (on the meta device).  Raises EngineError for an unknown block.
    """
    layers = ATTENTION + FEED_FORWARD if lora.lora_layers == "attention_and_feed_forward" else ATTENTION
    named = [block.removeprefix("unet.") for block in lora.lora_unet_blocks or ()]  # B-LoRA's own names begin so
    blocks = BLORA_BLOCKS if lora.use_blora else tuple(named)
    if not blocks:
        return list(layers)
    names = [name for name, _ in unet.named_modules() if ".transformer_blocks." in name]
    endings = rf"\.(?:.*\.)?(?:{'|'.join(map(re.escape, layers))})"
    for block in blocks:
        if not any(re.fullmatch(re.escape(block) + endings, name) for name in names):
            known = ", ".join(dict.fromkeys(name.partition(".transformer_blocks.")[0] for name in names))
            raise EngineError(f"The UNet has no block {block!r} that takes a LoRA.", f"Its blocks are: {known}.")
    return rf"(?:{'|'.join(map(re.escape, blocks))}){endings}"


def lora_state(module: nn.Module) -> dict[str, nn.Parameter]:
    """The live LoRA parameters in the module's own order, by the names that LoRA files give them.

    For example `mid_block...to_q.lora_A.weight`, or with DoRA `...lora_magnitude_vector.weight`.  Of one adapter,
    whatever its name.
    """
    return {lora_key(name): parameter for name, parameter in module.named_parameters() if ".lora_" in name}


def lora_key(name: str) -> str:
    """The name in a LoRA file of a parameter or layer: without the adapter's, and with `text_model.`.

    transformers 5 dropped `text_model.` from the first text encoder's names; every reader of LoRA files expects it.
    Of magnitudes it finds only those with `.weight`, which peft itself leaves out.
    """
    key = re.sub(r"(\.lora_(?:A|B|magnitude_vector))\.\w+", r"\1", name)
    return re.sub(r"^encoder\.", "text_model.encoder.", key)


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
    targets = config.target_modules
    return {
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": targets if isinstance(targets, str) else sorted(targets),
        "use_dora": config.use_dora,
    }


def _lora_config(lora: LoraSection, targets: list[str] | str) -> LoraConfig:
    alpha: Any = lora.rank if lora.lora_alpha is None else lora.lora_alpha  # peft's annotation says int, floats work
    return LoraConfig(
        r=lora.rank,
        lora_alpha=alpha,
        lora_dropout=lora.lora_dropout,
        init_lora_weights="gaussian",
        target_modules=targets,
        use_dora=lora.use_dora,
    )


def _start_magnitudes(module: nn.Module) -> None:
    """Start DoRA's magnitudes (Liu et al., 2024, arXiv:2402.09353, eq. 5) as the base weights' norms in float32.

    peft takes the norms in the base's dtype: in bf16 the untrained adapter would change every layer by up to 0.4 %.
    """
    for layer in module.modules():
        if isinstance(layer, LoraLayer):
            for magnitude in layer.lora_magnitude_vector.values():
                base = dequantize_module_weight(layer.get_base_layer())
                magnitude.weight.data = torch.linalg.norm(base.detach().float(), dim=1)
