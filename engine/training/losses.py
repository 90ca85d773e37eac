"""The training loss: noising, diffusion targets, min-SNR weights, masks, and prior preservation's share."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor


@dataclass(frozen=True)
class DiffusionLoss:
    """A micro-batch's loss, scalars of float32.

    total: what is minimised.  prior: the mean squared error of the prior samples before prior_loss_weight; None
    without them.
    """

    total: Tensor
    prior: Tensor | None


@lru_cache(maxsize=4)  # asked twice for each micro-batch
def alphas_cumprod(noise_scheduler: DDPMScheduler) -> Tensor:
    """alpha_bar of each timestep (Ho et al., 2020, arXiv:2006.11239, eq. 4), float64, shape (num_train_timesteps,).

    With rescale_betas_zero_snr it ends in exactly 0 (Lin et al., 2023, arXiv:2305.08891, algorithm 1).  The scheduler's
    own product is float32, in which 1 - alpha_bar is off by up to 3e-5 of itself at the first timesteps.
    """
    config: Any = noise_scheduler.config
    plain: Any = DDPMScheduler.from_config(config, rescale_betas_zero_snr=False)
    alpha_bars = torch.cumprod(1.0 - plain.betas.double(), dim=0)
    if not config["rescale_betas_zero_snr"]:
        return alpha_bars
    roots = alpha_bars.sqrt()
    return ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2


def add_noise(noise_scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """sqrt(alpha_bar) latents + sqrt(1 - alpha_bar) noise (Ho et al., 2020, eq. 4). Shape and dtype as latents."""
    signal, spread = _scales(noise_scheduler, latents, timesteps)
    return signal * latents + spread * noise


def diffusion_target(noise_scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the UNet should predict: the noise, or for v_prediction models the velocity. Shape and dtype as latents.

    Velocity: sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) latents (Salimans & Ho, 2022, arXiv:2202.00512, appendix D).
    """
    if noise_scheduler.config["prediction_type"] == "epsilon":
        return noise
    signal, spread = _scales(noise_scheduler, latents, timesteps)
    return signal * noise - spread * latents


def _scales(noise_scheduler: DDPMScheduler, latents: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    alpha_bar = alphas_cumprod(noise_scheduler).to(timesteps.device)[timesteps][:, None, None, None]
    return alpha_bar.sqrt().to(latents.dtype), (1.0 - alpha_bar).sqrt().to(latents.dtype)


def snr(timesteps: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Signal-to-noise ratios alpha_bar / (1 - alpha_bar) (Hang et al., 2023, arXiv:2303.09556, section 3.1).

    timesteps: int64, shape (batch,).  alphas_cumprod: float64, shape (num_train_timesteps,).
    Returns float32, shape (batch,); 0 at the end of zero-terminal-SNR schedules.
    """
    alpha_bar = alphas_cumprod.to(timesteps.device)[timesteps]
    return (alpha_bar / (1.0 - alpha_bar)).float()


def min_snr_weights(timesteps: Tensor, alphas_cumprod: Tensor, gamma: float, prediction_type: str) -> Tensor:
    """Per-sample loss weights of min-SNR (Hang et al., 2023, arXiv:2303.09556, eq. 9).

    timesteps: int64, shape (batch,).  alphas_cumprod: float64, shape (num_train_timesteps,).
    Returns float32, shape (batch,): min(snr, gamma) / snr for epsilon, min(snr, gamma) / (snr + 1) for v_prediction.
    Finite at snr = 0 (zero-terminal-SNR schedules): 1 for epsilon, 0 for v_prediction.
    """
    ratio = snr(timesteps, alphas_cumprod)
    if prediction_type == "v_prediction":
        return ratio.clamp(max=gamma) / (ratio + 1.0)
    return gamma / ratio.clamp(min=gamma)  # min(snr, gamma) / snr without dividing 0 by 0


def mask_weights(masks: Tensor, unmasked_weight: float) -> Tensor:
    """Weights of each latent pixel: 1 inside the mask, `unmasked_weight` outside; shape and dtype as masks."""
    return masks + (1.0 - masks) * unmasked_weight


def diffusion_loss(
    prediction: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    pixel_weights: Tensor | None = None,
    prior_samples: int = 0,
    prior_loss_weight: float = 1.0,
) -> DiffusionLoss:
    """Mean squared error, weighted by sample, plus prior preservation's (Ruiz et al., 2022, arXiv:2208.12242, eq. 2).

    prediction, target: shape (batch, 4, height, width); the last `prior_samples` are the prior's.
    weights: float32, shape (batch,), or None; as in the guide's script they act on the photos, not on the prior.
    pixel_weights: float32, shape (photos or more, 1, height, width), or None: each photo's error is the mean that they
    weigh, so that weights of 1 everywhere, or of 0.5, equal none; 0 where all of them are 0.  The prior is not masked.
    """
    squares = (prediction.float() - target.float()).square().mean(dim=1)
    photos = len(squares) - prior_samples
    if pixel_weights is None:
        errors = squares[:photos].mean(dim=(1, 2))
    else:
        shares = pixel_weights[:photos, 0]
        errors = (squares[:photos] * shares).sum(dim=(1, 2)) / shares.sum(dim=(1, 2)).clamp(min=1e-6)
    total = (errors if weights is None else errors * weights[:photos]).mean()
    if not prior_samples:
        return DiffusionLoss(total, None)
    prior = squares[photos:].mean()
    return DiffusionLoss(total + prior_loss_weight * prior, prior)
