"""Prior preservation without class images: the frozen base model's own prediction as the target.

OneTrainer calls it prior prediction, ai-toolkit output preservation.
"""

from dataclasses import replace

import torch
from torch import Tensor

from engine.data.samples import Batch
from engine.models.adapters import adapters_disabled
from engine.models.load import Models
from engine.training.step import predict


def with_class_prompt(batch: Batch, class_prompt: str) -> Batch:
    """The batch, and once more the same noised latents under the class prompt, as prior samples."""
    size = len(batch.captions)
    return replace(
        batch,
        captions=(*batch.captions, *[class_prompt] * size),
        latents=torch.cat([batch.latents] * 2),
        time_ids=torch.cat([batch.time_ids] * 2),
        noise=torch.cat([batch.noise] * 2),
        timesteps=torch.cat([batch.timesteps] * 2),
        prior_samples=size,
    )


@torch.no_grad()
def predict_as_base(models: Models, batch: Batch, prompt_embeds: Tensor, pooled_prompt_embeds: Tensor) -> Tensor:
    """What the UNet without its LoRA answers to the prior samples of `batch`, made by `with_class_prompt`.

    prompt_embeds, pooled_prompt_embeds: the class prompt's, shapes (1, 77 * n, width) and (1, projection), from text
    encoders without their LoRA.  Returns shape (prior_samples, 4, height / 8, width / 8).
    """
    size = batch.prior_samples
    prior = replace(
        batch,
        latents=batch.latents[-size:],
        time_ids=batch.time_ids[-size:],
        noise=batch.noise[-size:],
        timesteps=batch.timesteps[-size:],
    )
    with adapters_disabled(models.unet):
        return predict(models, prior, prompt_embeds.expand(size, -1, -1), pooled_prompt_embeds.expand(size, -1))
