"""A tiny SDXL with random weights: the real architecture, built on the spot, so that everything runs without a hub."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.errors import EngineError
from engine.models.clip_vocabulary import merges_for, sdxl_tokenizers, vocabulary

VERSION = 1  # part of the cache folder's name: raise it when the model changes
SEED = 0

# Each of these becomes one token, so that everyday captions fit into 77.
WORDS = """\
a an and are at behind beside big black blue bright brown by cat close coat cup dark day dog face field from front
garden girl glass grass green grey hair hand hat holding house in inside is it kitchen lamp light long looking man
morning mountain next night object of old on one orange outdoors outside over painting park person photo photograph
picture pink plain portrait red river road room sea sitting sky small smiling snow standing street studio style sun
table the tree two up very view walking wall water wearing white wide window with woman wooden yellow young
backpack camera character coffee drawing flower forest illustration sculpture shirt sofa toy
"""

TEXT_WIDTHS = (32, 64)
# SDXL's three stages. The widths stay w, 2w, 4w: with equal ones other tools meet modules that SDXL does not have.
UNET: dict[str, Any] = {
    "sample_size": 8,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [32, 64, 128],
    "attention_head_dim": [1, 2, 4],
    "transformer_layers_per_block": [1, 1, 2],
    "layers_per_block": 2,
    "cross_attention_dim": sum(TEXT_WIDTHS),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 6 * 32 + TEXT_WIDTHS[1],
}
VAE: dict[str, Any] = {
    "sample_size": 64,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 16, 16],
    "norm_num_groups": 4,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "force_upcast": True,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "interpolation_type": "linear",
    "use_karras_sigmas": False,
}


def tiny_sdxl() -> Path:
    """The tiny SDXL in the user's cache folder, built there on first use.

    Two processes may race: each builds in a folder of its own, and the first to rename it wins.  Raises EngineError
    where nothing can be written.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loratui"
    target = cache / f"tiny-sdxl-{VERSION}"
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=cache, prefix=f".{target.name}-"))
        try:
            build_tiny_sdxl(building)
            building.chmod(0o755)
            building.rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        if not target.is_dir():
            raise EngineError(
                f"The tiny model cannot be written to {cache}: {error.strerror}.",
                "Set XDG_CACHE_HOME to a folder that is yours.",
            ) from error
    return target


def build_tiny_sdxl(folder: Path) -> None:
    """Save a random SDXL pipeline of eight million parameters to `folder`, as `save_pretrained` lays it out.

    The same weights each time; the global random state is left as it was.  The VAE reduces by 8 as the real one does.
    """
    merges = merges_for(WORDS.split())
    tokenizer, tokenizer_2 = sdxl_tokenizers(merges)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        vae = AutoencoderKL(**VAE)
        text_encoder, text_encoder_2 = text_encoders(len(vocabulary(merges)), TEXT_WIDTHS)
        parts: dict[str, Any] = dict(
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            unet=UNet2DConditionModel(**UNET),
            scheduler=EulerDiscreteScheduler(**SCHEDULER),
        )
    StableDiffusionXLPipeline(**parts, add_watermarker=False).save_pretrained(folder)


def text_encoders(vocab_size: int, widths: tuple[int, int]) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """SDXL's two text encoders in these widths, untrained.

    The end-of-text id is the wrong 2 of SDXL's published configs, so that its trap is met here too.
    """
    first, second = (
        CLIPTextConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=3,
            num_attention_heads=width // 16,
            max_position_embeddings=77,
            hidden_act=activation,
            bos_token_id=0,
            eos_token_id=2,
            pad_token_id=1,
        )
        for width, activation in zip(widths, ("quick_gelu", "gelu"), strict=True)
    )
    return CLIPTextModel(first), CLIPTextModelWithProjection(second)
