"""Which layers get a LoRA, and that it changes nothing before it has learned."""

from collections.abc import Set
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from torch import Tensor

import engine
from engine.errors import EngineError
from engine.models.load import Models, load_models
from engine.settings import LoraSection
from engine.training.lora import add_adapters, lora_metadata, lora_parameters, lora_state, unet_target_modules

SDXL_UNET = Path(engine.__file__).parent / "models" / "sdxl" / "unet"
BLOCKS = {
    *(f"down_blocks.{stage}.attentions.{layer}" for stage in (1, 2) for layer in (0, 1)),
    "mid_block.attentions.0",
    *(f"up_blocks.{stage}.attentions.{layer}" for stage in (0, 1) for layer in (0, 1, 2)),
}
MIDDLE_AND_FIRST = {"mid_block.attentions.0", "down_blocks.1.attentions.0", "down_blocks.1.attentions.1"}
ATTENTION = {f"attn{number}.{layer}" for number in (1, 2) for layer in ("to_q", "to_k", "to_v", "to_out.0")}
FEED_FORWARD = {"ff.net.0.proj", "ff.net.2"}


def adapted(models: Models, **settings: Any) -> tuple[Set[str], Set[str]]:
    """The blocks, and the layers within each transformer block, that get a LoRA."""
    add_adapters(models, LoraSection(rank=2, **settings), train_text_encoder=False, seed=0)
    parts = [key.split(".transformer_blocks.") for key in lora_state(models.unet)]
    return {block for block, _ in parts}, {rest.partition(".")[2].partition(".lora_")[0] for _, rest in parts}


@torch.no_grad()
def answer(models: Models) -> list[Tensor]:
    """The UNet's answer to a fixed question, and both text encoders'."""
    dtype = models.unet.dtype
    generator = torch.Generator().manual_seed(0)
    latents, prompt_embeds, text_embeds = (
        torch.randn(1, *shape, generator=generator).to(dtype) for shape in ((4, 8, 8), (77, 96), (64,))
    )
    conditions = {"text_embeds": text_embeds, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    unet = models.unet(latents, 500, encoder_hidden_states=prompt_embeds, added_cond_kwargs=conditions).sample
    ids = torch.arange(77).unsqueeze(0)
    return [unet, *(encoder(ids).last_hidden_state for encoder in (models.text_encoder, models.text_encoder_2))]


@pytest.mark.parametrize(
    ("settings", "blocks", "layers"),
    [
        ({}, BLOCKS, ATTENTION),
        ({"lora_layers": "attention_and_feed_forward"}, BLOCKS, ATTENTION | FEED_FORWARD),
        ({"use_blora": True}, {"up_blocks.0.attentions.0", "up_blocks.0.attentions.1"}, ATTENTION),
        ({"lora_unet_blocks": ["up_blocks.0.attentions.1"]}, {"up_blocks.0.attentions.1"}, ATTENTION),
        ({"lora_unet_blocks": ["unet.up_blocks.0.attentions.1"]}, {"up_blocks.0.attentions.1"}, ATTENTION),
        ({"lora_unet_blocks": ["mid_block", "down_blocks.1"]}, MIDDLE_AND_FIRST, ATTENTION),
        (
            {"lora_unet_blocks": ["mid_block.attentions.0.transformer_blocks.0.attn1"]},
            {"mid_block.attentions.0"},
            {layer for layer in ATTENTION if layer.startswith("attn1.")},
        ),
        (
            {"lora_unet_blocks": ["mid_block"], "lora_layers": "attention_and_feed_forward"},
            {"mid_block.attentions.0"},
            ATTENTION | FEED_FORWARD,
        ),
    ],
    ids=["all", "feed-forward", "B-LoRA", "one block", "as B-LoRA spells it", "whole stages", "a part", "both choices"],
)
def test_the_named_layers_of_the_named_blocks_get_a_lora(
    settings: dict[str, Any], blocks: Set[str], layers: Set[str], tiny_models: Models
) -> None:
    assert adapted(tiny_models, **settings) == (blocks, layers)


@pytest.mark.parametrize(
    "block",
    [
        "up_blocks.0.attentions.9",
        "up_blocks.2",
        "conv_in",
        "up_blocks.0.attentions.1x",
        "",
        "mid_block.attentions.0.transformer_blocks.0.ff",  # of attention alone it has none
    ],
)
def test_an_unknown_block_is_told_with_the_known_ones(block: str, tiny_models: Models) -> None:
    section = LoraSection(lora_unet_blocks=["mid_block", block])
    with pytest.raises(EngineError) as error:
        unet_target_modules(tiny_models.unet, section)
    assert repr(block) in error.value.problem
    assert all(known in error.value.remedy for known in BLOCKS)


@pytest.mark.parametrize(
    ("settings", "tensors"),
    [({}, 1120), ({"lora_layers": "attention_and_feed_forward"}, 1400), ({"use_blora": True}, 320)],
)
def test_the_real_unets_layers_are_counted_without_its_weights(settings: dict[str, Any], tensors: int) -> None:
    """70 transformer blocks of 8 projections and 2 feed-forward layers, two matrices each."""
    with torch.device("meta"):
        config: Any = UNet2DConditionModel.load_config(SDXL_UNET)
        unet: Any = UNet2DConditionModel.from_config(config)
        unet.add_adapter(LoraConfig(target_modules=unet_target_modules(unet, LoraSection(**settings))))
    assert len(lora_state(unet)) == tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("use_dora", [False, True])
def test_an_untrained_lora_changes_nothing(use_dora: bool, dtype: torch.dtype, tiny_models: Models) -> None:
    """DoRA's magnitudes are the norms of the base weights, in float32 also of a bf16 base."""
    models = load_models(tiny_models.source, dtype, torch.device("cpu"))
    before = answer(models)
    add_adapters(models, LoraSection(rank=4, use_dora=use_dora), train_text_encoder=True, seed=0)
    assert all(torch.equal(one, other) for one, other in zip(answer(models), before, strict=True))
    assert {parameter.dtype for parameter in lora_parameters(models.unet)} == {torch.float32}


@pytest.mark.parametrize("use_dora", [False, True])
def test_metadata_tells_what_a_reload_needs(use_dora: bool, tiny_models: Models) -> None:
    section = LoraSection(rank=2, lora_alpha=3.5, lora_dropout=0.1, use_dora=use_dora, use_blora=True)
    add_adapters(tiny_models, section, train_text_encoder=False, seed=0)
    metadata = lora_metadata(tiny_models.unet)
    assert metadata.pop("target_modules") == unet_target_modules(tiny_models.unet, section)
    assert metadata == {"r": 2, "lora_alpha": 3.5, "lora_dropout": 0.1, "use_dora": use_dora}
    assert lora_metadata(tiny_models.text_encoder) == {}
