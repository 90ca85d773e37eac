"""A training step as a function: the loss of a micro-batch from the weights, its latents, noise and timesteps."""

import torch
from torch import Tensor

from engine.config import TrainConfig
from engine.data.samples import Batch
from engine.models.load import Models
from engine.training.losses import (
    DiffusionLoss,
    add_noise,
    alphas_cumprod,
    diffusion_loss,
    diffusion_target,
    mask_weights,
    min_snr_weights,
)


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
    base_prediction: what the prior samples should predict instead of their own noise, shape (prior_samples, 4,
    height / 8, width / 8); see engine.training.prior.
    """
    scheduler, timesteps = models.noise_scheduler, batch.timesteps
    prediction = predict(models, batch, prompt_embeds, pooled_prompt_embeds)
    target = diffusion_target(scheduler, batch.latents, batch.noise, timesteps)
    if base_prediction is not None:
        target = torch.cat([target[: -batch.prior_samples], base_prediction.to(target.dtype)])
    weights = None
    if config.loss.snr_gamma is not None:
        prediction_type = scheduler.config["prediction_type"]
        weights = min_snr_weights(timesteps, alphas_cumprod(scheduler), config.loss.snr_gamma, prediction_type)
    pixel_weights = None if batch.masks is None else mask_weights(batch.masks, config.loss.unmasked_weight)
    return diffusion_loss(
        prediction, target, weights, pixel_weights, batch.prior_samples, config.prior.prior_loss_weight
    )


def predict(models: Models, batch: Batch, prompt_embeds: Tensor, pooled_prompt_embeds: Tensor) -> Tensor:
    """The UNet's answer to the batch's noised latents, shape (batch, 4, height / 8, width / 8), in its own dtype."""
    return models.unet(
        add_noise(models.noise_scheduler, batch.latents, batch.noise, batch.timesteps),
        batch.timesteps,
        encoder_hidden_states=prompt_embeds,
        added_cond_kwargs={"text_embeds": pooled_prompt_embeds, "time_ids": batch.time_ids},
    ).sample
