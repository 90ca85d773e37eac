"""Pictures from models in memory or from a run's exported files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.errors import EngineError
from engine.models.load import Models, compute_dtype, default_device, load_models
from engine.results.export import checkpoint_weights, file_names
from engine.results.files import exported_name
from engine.rundir import LORA_FILE, RunDir
from engine.settings import ModelSection, TextEncoderSection
from engine.text.abstractions import replace_abstractions, run_tokens
from engine.text.chunks import MOST_CHUNKS
from engine.text.prompts import encode_prompts
from engine.training.manifest import EMBEDDINGS_FILE
from engine.training.weights import save_weights

OnStep = Callable[[int, Tensor], None]
SDXL_TEXT = TextEncoderSection()  # no more layers skipped, 77 tokens
# What diffusers, peft and safetensors raise for a file that is not what it should be.
UNLOADABLE = (SafetensorError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, OSError)


def sample_images(
    models: Models,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
    size: int,
    text_encoder: TextEncoderSection = SDXL_TEXT,
) -> list[Image.Image]:
    """One picture of `size` pixels a side for each prompt, with the models as they are in memory.

    The models are left in the training mode that they were in.  The global random state is not touched.
    text_encoder: how prompts are read, where that is not SDXL's own way.
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
            text_encoder=text_encoder,
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
    files = [run.output / file for file in file_names(exported_name(run), bool(tokens))]
    if absent := [file.name for file in files if not file.is_file()]:
        raise EngineError(
            f"The run {run.name} has no {absent[0]} in its output folder.",
            f"Write it with: loratui export {run.address}; or take a checkpoint: "
            f"loratui generate {run.address} --checkpoint STEP",
        )
    pipeline = load_base_pipeline(config.model, dtype, device)
    _load_files(pipeline, files[0], files[2] if tokens else None, tokens, run)
    return pipeline


def load_checkpoint_pipeline(
    run: RunDir, step: int, dtype: torch.dtype, device: torch.device
) -> StableDiffusionXLPipeline:
    """A fresh pipeline with what a run had learned after `step` steps; the run may go on meanwhile.

    Raises EngineError when the base model or the checkpoint is missing, or the checkpoint is damaged.
    """
    weights = checkpoint_weights(run, step)  # before the model, which takes time to load
    pipeline = load_base_pipeline(run.config().model, dtype, device)
    with TemporaryDirectory() as folder:
        save_weights(weights, Path(folder))
        embeddings = Path(folder) / EMBEDDINGS_FILE if weights.tokens else None
        _load_files(pipeline, Path(folder) / LORA_FILE, embeddings, weights.tokens, run)
    return pipeline


def load_pipeline(run: RunDir, step: int | None = None) -> StableDiffusionXLPipeline:
    """The run's exported files, or its checkpoint of `step`, in a pipeline on this machine's device."""
    device = default_device()
    dtype = compute_dtype(None, device)
    if step is None:
        return load_run_pipeline(run, dtype, device)
    return load_checkpoint_pipeline(run, step, dtype, device)


def set_lora_scale(pipeline: Any, scale: float) -> None:
    """Have the pipeline's LoRA count so much, in the UNet and the text encoders; 1 as it was trained."""
    names = {name for names in pipeline.get_list_adapters().values() for name in names}
    pipeline.set_adapters(sorted(names), [scale] * len(names))


def load_base_pipeline(model: ModelSection, dtype: torch.dtype, device: torch.device) -> StableDiffusionXLPipeline:
    """The base model alone, as a pipeline, as training has it. Raises EngineError when it cannot be loaded."""
    return pipeline_of(load_models(model, dtype, device))


def render(
    pipeline: StableDiffusionXLPipeline,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
    size: int,
    text_encoder: TextEncoderSection = SDXL_TEXT,
    negative_prompt: str = "",
    on_step: OnStep | None = None,
) -> np.ndarray:
    """One picture for each prompt, the first from `seed`, the next from seed + 1, and so on.

    text_encoder: how prompts are read, where that is not SDXL's own way: clip_skip, chunk_captions.
    on_step: called after each denoising step with how many are done, of all pictures together, and with what the
    sampler then takes the finished latents to be, shape (1, 4, size / 8, size / 8); what it raises ends the work.
    Returns float32, shape (prompts, size, size, 3), in 0 to 1.  The noise is drawn on the CPU: the same on any device.
    """
    pipeline.set_progress_bar_config(disable=True)
    painted: Any = pipeline
    pictures, done = [], 0

    def after_step(pipeline: Any, index: int, timestep: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        nonlocal done
        done += 1
        if on_step:
            on_step(done, denoised[0])
        return tensors

    with _denoised_noted(pipeline.scheduler) as denoised:
        for index, prompt in enumerate(prompts):
            latents: Tensor = painted(
                **_prompt_arguments(pipeline, prompt, negative_prompt, text_encoder),
                height=size,
                width=size,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                generator=torch.Generator().manual_seed(seed + index),
                output_type="latent",
                callback_on_step_end=after_step,
            ).images
            pictures.append(decode(pipeline, latents))
    return np.concatenate(pictures)


@contextmanager
def _denoised_noted(scheduler: Any) -> Iterator[list[Tensor]]:
    """Gives a list that holds what the sampler made of its last step: its guess of the finished latents.

    Of a sampler that does not tell its guess, the latents.
    """
    step, denoised = scheduler.step, []

    @wraps(step)
    def noting(*arguments: Any, **options: Any) -> tuple[Tensor, ...]:
        result = step(*arguments, **options)  # as pipelines call it: (latents, and mostly the guess)
        denoised[:] = result[-1:]
        return result

    scheduler.step = noting
    try:
        yield denoised
    finally:
        del scheduler.step


@torch.no_grad()
def _prompt_arguments(
    pipeline: Any, prompt: str, negative_prompt: str, text_encoder: TextEncoderSection
) -> dict[str, Any]:
    """A prompt as the pipeline takes it; in chunks, which diffusers does not know, as embeddings."""
    if not text_encoder.chunk_captions:
        return {"prompt": prompt, "negative_prompt": negative_prompt or None, "clip_skip": text_encoder.clip_skip}
    prompts = [prompt, negative_prompt] if negative_prompt else [prompt]
    embeds, pooled = encode_prompts(pipeline, prompts, text_encoder.clip_skip, MOST_CHUNKS)
    arguments = {"prompt_embeds": embeds[:1], "pooled_prompt_embeds": pooled[:1]}
    if negative_prompt:
        arguments |= {"negative_prompt_embeds": embeds[1:], "negative_pooled_prompt_embeds": pooled[1:]}
    return arguments


@torch.no_grad()
def decode(pipeline: StableDiffusionXLPipeline, latents: Tensor) -> np.ndarray:
    """Latents as pixels, float32, shape (1, height, width, 3), in 0 to 1.

    In the VAE's own dtype, which the pipeline's decoding leaves aside where it differs from the UNet's.
    """
    vae: Any = pipeline.vae
    decoded = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample
    pixels: Any = pipeline.image_processor.postprocess(decoded.float(), output_type="np")
    return pixels


@contextmanager
def out_of_memory_told() -> Iterator[None]:
    """Raises EngineError for a full GPU. For commands that a user waits for; the worker has words of its own."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EngineError(
            "The GPU ran out of memory.",
            "Stop what else uses it, or write CUDA_VISIBLE_DEVICES= before the command to leave it aside.",
        ) from error


@out_of_memory_told()
def generate(
    run: RunDir,
    prompts: Sequence[str],
    *,
    num_inference_steps: int,
    guidance_scale: float,
    seed: int,
    size: int,
    negative_prompt: str = "",
    lora_scale: float = 1.0,
    from_base: bool = False,
    step: int | None = None,
    on_step: OnStep | None = None,
) -> list[Image.Image]:
    """One picture for each prompt from the run's exported files; trigger words in prompts become new tokens.

    lora_scale: how strongly the LoRA counts; 1 as it was trained.  on_step: as `render` calls it.
    from_base: from the run's base model alone instead, asked for the prompts as they are.
    step: from the run's checkpoint of that step instead.
    """
    config = run.config()
    tokens = {} if from_base else run_tokens(config)
    if from_base:
        device = default_device()
        pipeline = load_base_pipeline(config.model, compute_dtype(None, device), device)
    else:
        pipeline = load_pipeline(run, step)
        set_lora_scale(pipeline, lora_scale)
    pixels = render(
        pipeline,
        [replace_abstractions(prompt, tokens) for prompt in prompts],
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        seed=seed,
        size=size,
        text_encoder=config.text_encoder,
        negative_prompt=replace_abstractions(negative_prompt, tokens),
        on_step=on_step,
    )
    return [to_image(picture) for picture in pixels]


def to_image(picture: np.ndarray) -> Image.Image:
    """picture: float, shape (height, width, 3), in 0 to 1."""
    return Image.fromarray((picture * 255).round().astype(np.uint8))


def _load_files(
    pipeline: Any, lora: Path, embeddings: Path | None, tokens: Mapping[str, tuple[str, ...]], run: RunDir
) -> None:
    """Put a LoRA, and new tokens, into a pipeline. Raises EngineError for files that cannot be loaded."""
    try:
        if embeddings:
            _load_tokens(pipeline, embeddings, tokens)
        pipeline.load_lora_weights(str(lora.parent), weight_name=lora.name)
    except torch.OutOfMemoryError:
        raise
    except UNLOADABLE as error:
        raise EngineError(
            f"The files in {lora.parent} cannot be loaded: {error}.",
            f"Write them again with: loratui export {run.address}",
        ) from error


def _load_tokens(pipeline: Any, file: Path, tokens: Mapping[str, tuple[str, ...]]) -> None:
    pipeline.text_encoder_2.text_model.eos_token_id = pipeline.tokenizer_2.eos_token_id
    rows = load_file(file)
    names = [name for group in tokens.values() for name in group]
    for key, text_encoder, tokenizer in (
        ("clip_l", pipeline.text_encoder, pipeline.tokenizer),
        ("clip_g", pipeline.text_encoder_2, pipeline.tokenizer_2),
    ):
        pipeline.load_textual_inversion(rows[key], token=names, text_encoder=text_encoder, tokenizer=tokenizer)
