"""What the mini model is made of: SDXL's classes, narrow enough for 30 MB."""

from typing import Any

from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from torch import nn

from engine.mini.world import (
    BACKGROUNDS,
    COLOURS,
    EARS,
    EYES,
    MARKED,
    MARKINGS,
    PLACES,
    RESOLUTION,
    SCENERY,
    SHAPES,
    STYLES,
)
from engine.models.clip_vocabulary import merges_for, vocabulary
from engine.models.tiny import SCHEDULER, WORDS, text_encoders

TEXT_WIDTHS = (64, 96)

# SDXL's VAE reduces by 8. With 64 pixels that would leave 8 x 8 places, too few for a face; this one reduces by 4.
REDUCTION = 4
VAE: dict[str, Any] = {
    "sample_size": RESOLUTION,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [16, 32, 64],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "latent_channels": 4,
    "force_upcast": True,
}
# SDXL's three stages, the first without attention.
UNET: dict[str, Any] = {
    "sample_size": RESOLUTION // REDUCTION,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [64, 128, 192],
    "attention_head_dim": [2, 4, 6],
    "transformer_layers_per_block": [1, 1, 1],
    "layers_per_block": 1,
    "cross_attention_dim": sum(TEXT_WIDTHS),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 6 * 32 + TEXT_WIDTHS[1],
}


def merges() -> list[tuple[str, str]]:
    """Byte-pair merges that keep each word of the world, and of everyday captions, whole."""
    said = [*PLACES.values(), *STYLES.values(), *SCENERY.values(), *COLOURS, *SHAPES, *BACKGROUNDS]
    said += [
        *EARS,
        *EYES,
        *MARKINGS,
        *MARKED.values(),
        "background monster with ears and eyes eye an striped dotted small large",
    ]
    return merges_for(sorted({word for text in [*said, WORDS] for word in text.split()}))


def new_autoencoder() -> AutoencoderKL:
    """An untrained VAE."""
    return AutoencoderKL(**VAE)


def new_unet() -> UNet2DConditionModel:
    """An untrained UNet."""
    return UNet2DConditionModel(**UNET)


def new_scheduler() -> EulerDiscreteScheduler:
    """SDXL's noise schedule."""
    return EulerDiscreteScheduler(**SCHEDULER)


def new_painter() -> nn.ModuleDict:
    """Text encoders and UNet, which learn together."""
    first, second = text_encoders(len(vocabulary(merges())), TEXT_WIDTHS)
    return nn.ModuleDict({"text_encoder": first, "text_encoder_2": second, "unet": new_unet()})
