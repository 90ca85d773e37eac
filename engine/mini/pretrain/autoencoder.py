"""The first lesson: a VAE that keeps what matters of a drawing in a sixteenth as many places."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from engine.mini.architecture import new_autoencoder
from engine.mini.pretrain.drawings import SQUARE, Size
from engine.mini.pretrain.loop import Schedule, train

BATCH = 16
KL_WEIGHT = 1e-4
EDGE_WEIGHT = 0.5
ENCODED_AT_ONCE = 100


def train_autoencoder(
    folder: Path, pictures: dict[Size, np.ndarray], steps: int, seed: int, device: torch.device
) -> AutoencoderKL:
    """Train on the square pictures, mirrored half of the time; scaling_factor then gives latents unit variance."""
    torch.manual_seed(seed)
    schedule = Schedule(steps, rate=2e-3, warmup=100, cooldown=max(1, int(0.6 * steps)))

    def loss_of(vae: AutoencoderKL, step: int) -> Tensor:
        chosen = torch.randint(len(pictures[SQUARE]), (BATCH,)).sort().values
        images = to_images(pictures[SQUARE][chosen.numpy()], device)
        if step % 2:
            images = images.flip(3)
        with torch.autocast(device.type, torch.bfloat16):
            return reconstruction_loss(vae, images)

    vae = train(
        folder / "autoencoder.pt",
        new_autoencoder().to(device),  # pyright: ignore[reportArgumentType]
        loss_of,
        schedule,
        seed,
    )
    spread = float(encode(vae, pictures[SQUARE][:2000], device).std())
    vae.register_to_config(scaling_factor=round(1 / spread, 5))
    return vae


def reconstruction_loss(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """L1 and squared error, L1 of the differences between neighbours, which keeps edges, and a little KL."""
    posterior = vae.encode(images).latent_dist  # pyright: ignore[reportAttributeAccessIssue]
    answer = vae.decode(posterior.sample()).sample.float()  # pyright: ignore[reportAttributeAccessIssue]
    error = answer - images
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    edges = across.abs().mean() + down.abs().mean()
    divergence = posterior.kl().mean() / posterior.mean[0].numel()
    return error.abs().mean() + error.square().mean() + EDGE_WEIGHT * edges + KL_WEIGHT * divergence


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: np.ndarray, device: torch.device) -> Tensor:
    """The posteriors' means, unscaled.  Float16 on the CPU, shape (pictures, 4, height / 4, width / 4)."""
    parts = []
    for start in range(0, len(pictures), ENCODED_AT_ONCE):
        images = to_images(pictures[start : start + ENCODED_AT_ONCE], device)
        with torch.autocast(device.type, torch.bfloat16):
            posterior = vae.encode(images).latent_dist  # pyright: ignore[reportAttributeAccessIssue]
        parts.append(posterior.mean.half().cpu())
    return torch.cat(parts)


def to_images(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Float32 from -1 to 1, shape (pictures, 3, height, width)."""
    return torch.from_numpy(np.array(pixels)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
