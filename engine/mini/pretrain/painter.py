"""The second lesson: two text encoders and a UNet learn together, from nothing, what the words look like."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from curation.atomic import writing
from engine.mini.architecture import merges, new_painter
from engine.mini.pretrain.autoencoder import encode
from engine.mini.pretrain.drawings import Picture, Size, picture
from engine.mini.pretrain.loop import Schedule, train
from engine.mini.world import caption
from engine.models.clip_vocabulary import sdxl_tokenizers
from engine.models.tiny import SCHEDULER

BATCH = 32
SNR_GAMMA = 5.0  # Hang et al., 2023, arXiv:2303.09556
UNCONDITIONAL = 0.1
"""Share of the samples without a caption: half get an empty one, half the zeros that diffusers puts in its place."""


def train_painter(
    folder: Path,
    vae: AutoencoderKL,
    pictures: dict[Size, np.ndarray],
    seed: int,
    steps: int,
    device: torch.device,
) -> nn.ModuleDict:
    """Train on the pictures' latents; returns `text_encoder`, `text_encoder_2` and `unet`."""
    torch.manual_seed(seed)
    lessons = Lessons(_latents(folder, vae, pictures, device), seed, device)
    schedule = Schedule(steps, rate=1e-3, warmup=300, cooldown=max(1, int(0.3 * steps)))

    return train(folder / "painter.pt", new_painter().to(device), lessons.loss, schedule, seed)


def _latents(
    folder: Path, vae: AutoencoderKL, pictures: dict[Size, np.ndarray], device: torch.device
) -> dict[Size, Tensor]:
    """Scaled latents by the pictures' size, encoded where they are not yet on the disk."""
    path = folder / "latents.pt"
    if not path.exists():
        scale = vae.config["scaling_factor"]
        with writing(path) as file:
            torch.save({size: encode(vae, some, device) * scale for size, some in pictures.items()}, file)
    return torch.load(path, weights_only=True)


class Lessons:
    """Batches of latents with their captions, a function of the step.  latents: float16 by picture size."""

    def __init__(self, latents: dict[Size, Tensor], seed: int, device: torch.device) -> None:
        self.latents, self.seed, self.device = latents, seed, device
        self.tokenizers = sdxl_tokenizers(merges())
        self.noise_scheduler = DDPMScheduler(**{k: v for k, v in SCHEDULER.items() if k in _DDPM})
        # In bfloat16 on a CPU, the backward of torch's fused attention takes twice as long as that of the plain one.
        self.attention = SDPBackend.MATH if device.type == "cpu" else SDPBackend.EFFICIENT_ATTENTION
        self.snr = self.noise_scheduler.alphas_cumprod / (1 - self.noise_scheduler.alphas_cumprod)

    def loss(self, painter: nn.ModuleDict, step: int) -> Tensor:
        """The squared error of the predicted noise, weighted by min-SNR."""
        draws = random.Random(f"{self.seed} {step}")
        sizes = list(self.latents)
        size = draws.choices(sizes, [len(self.latents[size]) for size in sizes])[0]
        numbers = [draws.randrange(len(self.latents[size])) for _ in range(BATCH)]
        scenes = [picture(self.seed, size, number) for number in numbers]
        captions = [caption(one.scene, draws) for one in scenes]
        latents = self.latents[size][numbers].to(self.device, torch.float32)

        noise = torch.randn(latents.shape).to(self.device)
        timesteps = torch.randint(self.noise_scheduler.config["num_train_timesteps"], (BATCH,))
        noisy = self.noise_scheduler.add_noise(latents, noise, timesteps.to(self.device))  # pyright: ignore[reportArgumentType]
        with torch.autocast(self.device.type, torch.bfloat16), sdpa_kernel(self.attention):
            prompt_embeds, pooled = self.encode(painter, captions, draws)
            prediction = painter["unet"](
                noisy,
                timesteps.to(self.device),
                encoder_hidden_states=prompt_embeds,
                added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids(scenes, draws).to(self.device)},
            ).sample
        snr = self.snr[timesteps]
        weights = (snr.clamp(max=SNR_GAMMA) / snr).to(self.device)
        return ((prediction.float() - noise).square().mean((1, 2, 3)) * weights).mean()

    def encode(self, painter: nn.ModuleDict, captions: list[str], draws: random.Random) -> tuple[Tensor, Tensor]:
        """As SDXL reads captions: the last hidden states but one of both encoders, and the second's pooled answer."""
        chances = [draws.random() for _ in captions]
        said = ["" if chance < UNCONDITIONAL / 2 else text for text, chance in zip(captions, chances, strict=True)]
        answers = []
        for part, tokenizer in zip(("text_encoder", "text_encoder_2"), self.tokenizers, strict=True):
            ids = tokenizer(said, padding="max_length", truncation=True, return_tensors="pt").input_ids
            answers.append(painter[part](ids.to(self.device), output_hidden_states=True))
        prompt_embeds = torch.cat([answer.hidden_states[-2] for answer in answers], dim=-1)
        kept = torch.tensor([not UNCONDITIONAL / 2 <= chance < UNCONDITIONAL for chance in chances], device=self.device)
        return prompt_embeds * kept[:, None, None], answers[1].text_embeds * kept[:, None]


def time_ids(pictures: Sequence[Picture], draws: random.Random) -> Tensor:
    """SDXL's size conditioning; the originals are taken to be 1 to 32 times as large as what is seen of them.

    Float32, shape (pictures, 6).
    """
    rows = []
    for one in pictures:
        larger = 32 ** draws.random()
        rows.append([*(round(side * larger) for side in one.canvas), *one.corner, *one.size])
    return torch.tensor(rows, dtype=torch.float32)


_DDPM = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type", "steps_offset")
