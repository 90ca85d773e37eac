"""The training loss: diffusion targets, min-SNR weights, and prior preservation's share."""

from dataclasses import dataclass

import torch.nn.functional as F
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor


@dataclass(frozen=True)
class DiffusionLoss:
    """A micro-batch's loss, scalars of float32.

    total: what is minimised.  prior: the class images' mean squared error before prior_loss_weight; None without them.
    """

    total: Tensor
    prior: Tensor | None


def snr(timesteps: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Signal-to-noise ratios alpha_bar / (1 - alpha_bar) (Hang et al., 2023, arXiv:2303.09556, section 3.1).

    timesteps: int64, shape (batch,).  alphas_cumprod: float32, shape (num_train_timesteps,).
    Returns float32, shape (batch,); 0 at the end of zero-terminal-SNR schedules.
    """
    alpha_bar = alphas_cumprod.to(timesteps.device)[timesteps].float()
    return alpha_bar / (1.0 - alpha_bar)


def min_snr_weights(timesteps: Tensor, alphas_cumprod: Tensor, gamma: float, prediction_type: str) -> Tensor:
    """Per-sample loss weights of min-SNR (Hang et al., 2023, arXiv:2303.09556, eq. 9).

    timesteps: int64, shape (batch,).  alphas_cumprod: float32, shape (num_train_timesteps,).
    Returns float32, shape (batch,): min(snr, gamma) / snr for epsilon, min(snr, gamma) / (snr + 1) for v_prediction.
    Finite at snr = 0 (zero-terminal-SNR schedules).
    """
    ratio = snr(timesteps, alphas_cumprod)
    if prediction_type == "v_prediction":
        return ratio.clamp(max=gamma) / (ratio + 1.0)
    return gamma / ratio.clamp(min=gamma)  # min(snr, gamma) / snr without dividing 0 by 0


def diffusion_target(noise_scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the UNet should predict: the noise, or the velocity for v_prediction models. Shape as latents."""
    if noise_scheduler.config["prediction_type"] == "v_prediction":
        return noise_scheduler.get_velocity(latents, noise, timesteps)  # type: ignore[arg-type]
    return noise


def diffusion_loss(
    prediction: Tensor, target: Tensor, weights: Tensor | None, prior_samples: int = 0, prior_loss_weight: float = 1.0
) -> DiffusionLoss:
    """Mean squared error, weighted by sample, plus prior preservation's (Ruiz et al., 2022, arXiv:2208.12242, eq. 2).

    prediction, target: shape (batch, 4, height, width); the last `prior_samples` are class images.
    weights: float32, shape (batch,), or None; as in the guide's script they act on the photos, not on class images.
    """
    errors = F.mse_loss(prediction.float(), target.float(), reduction="none").mean(dim=(1, 2, 3))
    photos = len(errors) - prior_samples
    photo_errors = errors[:photos] if weights is None else errors[:photos] * weights[:photos]
    if not prior_samples:
        return DiffusionLoss(photo_errors.mean(), None)
    prior = errors[photos:].mean()
    return DiffusionLoss(photo_errors.mean() + prior_loss_weight * prior, prior)
