"""A small picture of latents that are not finished, cheaper than a denoising step."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.results.generate import decode, to_image

# Red, green and blue of 0 to 255, as a linear function of SDXL's four latent channels; from Timothy Alexis Vass,
# "Explaining the SDXL latent space" (2024), which diffusers' page on callbacks quotes.
RGB_FACTORS = ((60.0, -60.0, 25.0, -70.0), (60.0, -5.0, 15.0, -50.0), (60.0, 10.0, -5.0, -35.0))
RGB_BIASES = (150.0, 140.0, 130.0)
SDXL_VAE_CHANNELS = 128
"""Of its widest layers, those at full resolution. A narrower VAE is another one, and quick enough to decode with."""


def preview(pipeline: Any, latents: Tensor) -> Image.Image:
    """latents: shape (1, 4, height, width).  One pixel for each of SDXL's, the full picture from a small VAE."""
    if pipeline.vae.config.block_out_channels[0] < SDXL_VAE_CHANNELS:
        return to_image(decode(pipeline, latents)[0])
    return Image.fromarray(linear_rgb(latents[0].float().cpu()))


def linear_rgb(latents: Tensor) -> np.ndarray:
    """SDXL latents, shape (4, height, width), as uint8 pixels, shape (height, width, 3)."""
    pixels = torch.einsum("lhw,rl->hwr", latents, torch.tensor(RGB_FACTORS)) + torch.tensor(RGB_BIASES)
    return pixels.nan_to_num().clamp(0, 255).byte().numpy()
