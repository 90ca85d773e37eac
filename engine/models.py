"""The parts of SDXL: loaded in the right dtype, frozen, and pooled at the true end of a prompt."""

from dataclasses import dataclass
from typing import Any, Literal

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDPMScheduler, SchedulerMixin, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from engine.errors import EngineError
from engine.model_files import model_problem, resolve_model
from engine.settings import ModelSection

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass
class Models:
    """SDXL's parts, and where they came from.

    noise_scheduler: the training noise, on the model's own schedule.  scheduler: the sampler that the model ships.
    """

    tokenizer: CLIPTokenizer
    tokenizer_2: CLIPTokenizer
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    vae: AutoencoderKL
    unet: UNet2DConditionModel
    noise_scheduler: DDPMScheduler
    scheduler: SchedulerMixin
    source: ModelSection


def default_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(mixed_precision: Literal["no", "fp16", "bf16"] | None, device: torch.device) -> torch.dtype:
    """The type of the frozen base and of activations; unset: bf16 where the GPU has it, else float32."""
    if mixed_precision is None:
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        mixed_precision = "bf16" if has_bf16 else "no"
    return DTYPES[mixed_precision]


def load_models(model: ModelSection, dtype: torch.dtype, device: torch.device) -> Models:
    """Load the parts of `model`, frozen, on `device`.

    dtype: of UNet and text encoders, and of a replacement VAE.
    Raises EngineError when the model is not on disk and the hub is out of reach, or is no SDXL in diffusers' layout.
    """
    if problem := model_problem(model):
        raise problem
    try:
        return _load(model, dtype, device)
    except (OSError, ValueError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"The model {model.pretrained_model_name_or_path} cannot be loaded: {cause}.",
            "Download it again, or check revision and variant.",
        ) from error


def _load(model: ModelSection, dtype: torch.dtype, device: torch.device) -> Models:
    path = resolve_model(model.pretrained_model_name_or_path)
    at: dict[str, Any] = {"revision": model.revision}
    weights = {**at, "variant": model.variant}
    tokenizer = CLIPTokenizer.from_pretrained(path, subfolder="tokenizer", **at)
    tokenizer_2 = CLIPTokenizer.from_pretrained(path, subfolder="tokenizer_2", **at)
    text_encoder = CLIPTextModel.from_pretrained(path, subfolder="text_encoder", dtype=dtype, **weights)
    # The published config says eos_token_id 2, with which transformers pools at the highest id of a prompt: at the
    # last new token instead of its end.
    text_encoder_2 = CLIPTextModelWithProjection.from_pretrained(
        path, subfolder="text_encoder_2", dtype=dtype, eos_token_id=tokenizer_2.eos_token_id, **weights
    )
    vae = load_vae(model, dtype)
    unet = load_unet(model, dtype)
    for module in (text_encoder, text_encoder_2, vae, unet):
        nn.Module.to(module.requires_grad_(False), device)
    schedule: Any = DDPMScheduler.load_config(path, subfolder="scheduler", **at)
    noise_scheduler: Any = DDPMScheduler.from_config(schedule)
    return Models(
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        vae=vae,
        unet=unet,
        noise_scheduler=noise_scheduler,
        scheduler=getattr(diffusers, schedule["_class_name"]).from_config(schedule),
        source=model,
    )


def load_unet(model: ModelSection, dtype: torch.dtype) -> UNet2DConditionModel:
    """The UNet alone, as it is on disk, on the CPU."""
    return UNet2DConditionModel.from_pretrained(
        resolve_model(model.pretrained_model_name_or_path),
        subfolder="unet",
        dtype=dtype,
        revision=model.revision,
        variant=model.variant,
    )


def load_vae(model: ModelSection, dtype: torch.dtype) -> AutoencoderKL:
    """The VAE alone, on the CPU: a replacement in `dtype`, SDXL's own in float32, because it overflows in fp16."""
    if model.pretrained_vae_model_name_or_path:
        return AutoencoderKL.from_pretrained(resolve_model(model.pretrained_vae_model_name_or_path), dtype=dtype)
    return AutoencoderKL.from_pretrained(
        resolve_model(model.pretrained_model_name_or_path),
        subfolder="vae",
        dtype=torch.float32,
        revision=model.revision,
        variant=model.variant,
    )


def silence_libraries() -> None:
    """Keep the libraries' warnings and progress bars off a user's terminal; the worker's go to its log."""
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
