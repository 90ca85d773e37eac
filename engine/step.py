"""A training step as a function: the loss of a micro-batch from the weights, its latents, noise and timesteps."""

from torch import Tensor

from engine.config import TrainConfig
from engine.data.samples import Batch
from engine.losses import DiffusionLoss, diffusion_loss, diffusion_target, min_snr_weights
from engine.models import Models


def training_loss(
    models: Models,
    batch: Batch,
    prompt_embeds: Tensor,
    pooled_prompt_embeds: Tensor,
    config: TrainConfig,
    base_prediction: Tensor | None = None,
) -> DiffusionLoss:
    """The loss of one micro-batch, whose gradients are the step's.

    prompt_embeds: shape (batch, 77 * n, width).  pooled_prompt_embeds: shape (batch, projection).
    base_prediction: what the prior samples should predict instead of their own target, shape (prior_samples, 4,
    height / 8, width / 8).
    """
    scheduler = models.noise_scheduler
    noisy_latents = scheduler.add_noise(batch.latents, batch.noise, batch.timesteps)  # type: ignore[arg-type]
    prediction = models.unet(
        noisy_latents,
        batch.timesteps,
        encoder_hidden_states=prompt_embeds,
        added_cond_kwargs={"text_embeds": pooled_prompt_embeds, "time_ids": batch.time_ids},
    ).sample
    weights = None
    if config.loss.snr_gamma is not None:
        prediction_type = scheduler.config["prediction_type"]
        weights = min_snr_weights(batch.timesteps, scheduler.alphas_cumprod, config.loss.snr_gamma, prediction_type)
    target = diffusion_target(scheduler, batch.latents, batch.noise, batch.timesteps)
    return diffusion_loss(prediction, target, weights, batch.prior_samples, config.prior.prior_loss_weight)
