"""What a model knows of drawings that no training saw: how well it predicts their noise, by noise level and prompt.

It follows no code of the training loop, so that a fault there shows in the numbers here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

NOISE_LEVELS = {"low": (60, 120, 180, 240, 300), "high": (500, 600, 700, 800, 900)}
"""Timesteps of 1000: at low ones details are decided, at high ones what there is and where."""


@dataclass(frozen=True)
class Conditioning:
    """What the UNet is told.

    prompt_embeds: shape (pictures, 77, width).  pooled_prompt_embeds: shape (pictures, projection).
    """

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor


@torch.no_grad()
def conditioning(pipeline: StableDiffusionXLPipeline, prompts: Sequence[str]) -> Conditioning:
    """The prompts as the pipeline reads them when it paints."""
    parts: Any = pipeline
    prompt_embeds, _, pooled, _ = parts.encode_prompt(prompt=list(prompts), do_classifier_free_guidance=False)
    return Conditioning(prompt_embeds, pooled)


@torch.no_grad()
def losses(
    pipeline: StableDiffusionXLPipeline, pictures: Sequence[Image.Image], told: Conditioning, seed: int = 0
) -> dict[str, float]:
    """The mean squared error of the predicted noise at each of NOISE_LEVELS, unweighted (Ho et al., 2020, eq. 14).

    pictures: of one size, one for each row of `told`.  The noise is the same for a seed, whatever the model.
    """
    parts: Any = pipeline
    pixels = parts.image_processor.preprocess(list(pictures)).to(parts.vae.device, parts.vae.dtype)
    latents = parts.vae.encode(pixels).latent_dist.mode() * parts.vae.config.scaling_factor
    latents = latents.to(parts.unet.dtype)
    width, height = pictures[0].size
    time_ids = torch.tensor([[height, width, 0, 0, height, width]], device=latents.device).expand(len(latents), -1)
    noise_scheduler: Any = DDPMScheduler.from_config(parts.scheduler.config)
    chance = torch.Generator().manual_seed(seed)

    def loss(timestep: int) -> float:
        noise = torch.randn(latents.shape, generator=chance).to(latents)
        timesteps = torch.full((len(latents),), timestep, device=latents.device)
        prediction = parts.unet(
            noise_scheduler.add_noise(latents, noise, timesteps),
            timesteps,
            encoder_hidden_states=told.prompt_embeds,
            added_cond_kwargs={"text_embeds": told.pooled_prompt_embeds, "time_ids": time_ids.to(latents)},
        ).sample
        return (prediction - noise).square().mean().item()

    return {level: sum(map(loss, timesteps)) / len(timesteps) for level, timesteps in NOISE_LEVELS.items()}
