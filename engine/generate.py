"""Pictures from models in memory or from a run's exported files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.export import file_names
from engine.model_files import model_problem, resolve_model
from engine.models import Models
from engine.rundir import RunDir
from engine.settings import ModelSection
from engine.tokens import placeholder_tokens, replace_abstractions


def sample_images(
    models: Models,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
    size: int,
) -> list[Image.Image]:
    """One picture of `size` pixels a side for each prompt, with the models as they are in memory.

    The models are left in the training mode that they were in.  The global random state is not touched.
    """
    modules: list[nn.Module] = [models.unet, models.vae, models.text_encoder, models.text_encoder_2]
    training = [module for part in modules for module in part.modules() if module.training]
    for module in modules:
        module.eval()
    try:
        pixels = render(
            pipeline_of(models),
            prompts,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            seed=seed,
            size=size,
        )
    finally:
        for module in training:
            module.training = True
    return [to_image(picture) for picture in pixels]


def pipeline_of(models: Models) -> StableDiffusionXLPipeline:
    """A pipeline around the models in memory, with a sampler of its own."""
    scheduler: Any = models.scheduler
    parts: dict[str, Any] = {
        "vae": models.vae,
        "text_encoder": models.text_encoder,
        "text_encoder_2": models.text_encoder_2,
        "tokenizer": models.tokenizer,
        "tokenizer_2": models.tokenizer_2,
        "unet": models.unet,
        "scheduler": scheduler.from_config(scheduler.config),
    }
    return StableDiffusionXLPipeline(**parts, add_watermarker=False)


def load_run_pipeline(run: RunDir, dtype: torch.dtype, device: torch.device) -> StableDiffusionXLPipeline:
    """A fresh pipeline with the run's exported files in it, loaded as the model card tells users to.

    Raises EngineError when the base model or a file is missing, or a file cannot be loaded.
    """
    config = run.config()
    tokens = run_tokens(config)
    files = [run.output / file for file in file_names(run.name, bool(tokens))]
    if absent := [file.name for file in files if not file.is_file()]:
        raise EngineError(
            f"The run {run.name} has no {absent[0]} in its output folder.",
            f"Write it with: loratui export {run.name}",
        )
    pipeline = load_base_pipeline(config.model, dtype, device)
    try:
        if tokens:
            _load_tokens(pipeline, files[2], tokens)
        pipeline.load_lora_weights(str(files[0].parent), weight_name=files[0].name)
    except (SafetensorError, ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        raise EngineError(
            f"The files in {run.output} cannot be loaded: {error}.",
            f"Write them again with: loratui export {run.name}",
        ) from error
    return pipeline


def load_base_pipeline(model: ModelSection, dtype: torch.dtype, device: torch.device) -> StableDiffusionXLPipeline:
    """The base model alone, as a pipeline. Its own VAE is float32, because SDXL's overflows in fp16."""
    if problem := model_problem(model):
        raise problem
    replacement = model.pretrained_vae_model_name_or_path
    vae: dict[str, Any] = {}
    if replacement:
        vae["vae"] = AutoencoderKL.from_pretrained(resolve_model(replacement), dtype=dtype)
    pipeline: Any = StableDiffusionXLPipeline.from_pretrained(
        resolve_model(model.pretrained_model_name_or_path),
        dtype=dtype,
        revision=model.revision,
        variant=model.variant,
        add_watermarker=False,
        **vae,
    )
    if not replacement:
        pipeline.vae.to(torch.float32)
    return pipeline.to(device)


def run_tokens(config: TrainConfig) -> dict[str, tuple[str, ...]]:
    """The new tokens of a run by trigger word; empty when it trains none."""
    text_encoder = config.text_encoder
    if not text_encoder.train_text_encoder_ti:
        return {}
    return placeholder_tokens(config.concept.token_abstraction, text_encoder.num_new_tokens_per_abstraction)


def render(
    pipeline: StableDiffusionXLPipeline,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
    size: int,
) -> np.ndarray:
    """One picture for each prompt, the first from `seed`, the next from seed + 1, and so on.

    Returns float32, shape (prompts, size, size, 3), in 0 to 1.  The noise is drawn on the CPU: the same on any device.
    """
    pipeline.set_progress_bar_config(disable=True)
    pictures = []
    for index, prompt in enumerate(prompts):
        latents: Any = pipeline(
            prompt,
            height=size,
            width=size,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            generator=torch.Generator().manual_seed(seed + index),
            output_type="latent",
        ).images  # pyright: ignore[reportAttributeAccessIssue]
        pictures.append(_decode(pipeline, latents))
    return np.concatenate(pictures)


@torch.no_grad()
def _decode(pipeline: StableDiffusionXLPipeline, latents: Tensor) -> np.ndarray:
    """In the VAE's own dtype, which the pipeline's decoding leaves aside where it differs from the UNet's."""
    vae: Any = pipeline.vae
    decoded = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample
    pixels: Any = pipeline.image_processor.postprocess(decoded.float(), output_type="np")
    return pixels


def generate(
    run: RunDir,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
    size: int,
) -> list[Image.Image]:
    """One picture for each prompt from the run's exported files; trigger words in prompts become new tokens."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    tokens = run_tokens(run.config())
    pixels = render(
        load_run_pipeline(run, dtype, device),
        [replace_abstractions(prompt, tokens) for prompt in prompts],
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        seed=seed,
        size=size,
    )
    return [to_image(picture) for picture in pixels]


def to_image(picture: np.ndarray) -> Image.Image:
    """picture: float, shape (height, width, 3), in 0 to 1."""
    return Image.fromarray((picture * 255).round().astype(np.uint8))


def _load_tokens(pipeline: Any, file: Path, tokens: Mapping[str, tuple[str, ...]]) -> None:
    pipeline.text_encoder_2.text_model.eos_token_id = pipeline.tokenizer_2.eos_token_id
    rows = load_file(file)
    names = [name for group in tokens.values() for name in group]
    for key, text_encoder, tokenizer in (
        ("clip_l", pipeline.text_encoder, pipeline.tokenizer),
        ("clip_g", pipeline.text_encoder_2, pipeline.tokenizer_2),
    ):
        pipeline.load_textual_inversion(rows[key], token=names, text_encoder=text_encoder, tokenizer=tokenizer)
