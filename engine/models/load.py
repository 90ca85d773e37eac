"""The parts of SDXL: loaded in the right dtype, frozen, and pooled at the true end of a prompt."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDPMScheduler, EulerDiscreteScheduler, SchedulerMixin, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from engine.errors import EngineError
from engine.models.diffusers_folder import DiffusersFolder
from engine.models.download import download_model
from engine.models.files import find_model, is_checkpoint, model_problem
from engine.models.low_memory import quantize_linears
from engine.models.single_file import SingleFile
from engine.settings import ModelSection

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass
class Models:
    """SDXL's parts, and where they came from.

    load_vae: gives the VAE, frozen and on the UNet's device.  noise_scheduler: the training noise, on the model's own
    schedule.  scheduler: the sampler that the model ships.
    """

    tokenizer: CLIPTokenizer
    tokenizer_2: CLIPTokenizer
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    load_vae: Callable[[], AutoencoderKL]
    unet: UNet2DConditionModel
    noise_scheduler: DDPMScheduler
    scheduler: SchedulerMixin
    source: ModelSection

    @cached_property
    def vae(self) -> AutoencoderKL:
        """Loaded when it is first needed: a run whose latents are cached starts without it."""
        return self.load_vae()


def default_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def room_on_gpu() -> int | None:
    """Bytes of the GPU that this process has or could have; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    free, _ = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved()


def compute_dtype(mixed_precision: Literal["no", "fp16", "bf16"] | None, device: torch.device) -> torch.dtype:
    """The type of the frozen base and of activations; unset: bf16 where the GPU has it, else float32."""
    if mixed_precision is None:
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        mixed_precision = "bf16" if has_bf16 else "no"
    return DTYPES[mixed_precision]


def load_models(model: ModelSection, dtype: torch.dtype, device: torch.device) -> Models:
    """Load the parts of `model`, frozen, on `device`; what is not on this disk is fetched from the hub.

    dtype: of UNet and text encoders; see `vae_dtype`.
    Raises EngineError when the model cannot be had, or is no SDXL.
    """
    if problem := model_problem(model):
        raise problem
    with _told(model):
        return _load(model, dtype, device)


@contextmanager
def _told(model: ModelSection) -> Iterator[None]:
    """Raises EngineError for files that cannot be loaded."""
    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EngineError(
            f"The model {model.pretrained_model_name_or_path} cannot be loaded: {cause}.",
            "Download it again, or check revision and variant.",
        ) from error


def _load(model: ModelSection, dtype: torch.dtype, device: torch.device) -> Models:
    files = _files(model)
    tokenizer, tokenizer_2 = files.tokenizers()
    end: Any = tokenizer_2.eos_token_id
    # The published config says eos_token_id 2, with which transformers pools at the highest id of a prompt: at the
    # last new token instead of its end.
    text_encoder, text_encoder_2 = files.text_encoders(dtype, eos_token_id=end)
    unet = load_unet(model, dtype)
    for module in (text_encoder, text_encoder_2, unet):
        nn.Module.to(module.requires_grad_(False), device)
    _check_attention(unet, text_encoder, text_encoder_2)
    noise_scheduler, scheduler = schedulers(model, files.schedule())

    def vae() -> AutoencoderKL:
        with _told(model):
            loaded = load_vae(model, dtype).requires_grad_(False)
        nn.Module.to(loaded, device)
        return loaded

    return Models(
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        load_vae=vae,
        unet=unet,
        noise_scheduler=noise_scheduler,
        scheduler=scheduler,
        source=model,
    )


def load_unet(model: ModelSection, dtype: torch.dtype) -> UNet2DConditionModel:
    """The UNet alone, frozen, on the CPU: as it is on disk, or in as few bits as `quantize` says."""
    unet = _files(model).unet(dtype).requires_grad_(False)
    if model.quantize:
        quantize_linears(unet, model.quantize)
    return unet


def load_vae(model: ModelSection, dtype: torch.dtype) -> AutoencoderKL:
    """The VAE alone, on the CPU, in its `vae_dtype`."""
    name = model.pretrained_vae_model_name_or_path
    if name is None:
        return _files(model).vae(vae_dtype(model, dtype))
    folder = find_model(name) or download_model(name)
    return DiffusersFolder(folder).vae_alone(dtype)


def vae_dtype(model: ModelSection, dtype: torch.dtype) -> torch.dtype:
    """A replacement's is `dtype`, the UNet's; SDXL's own is float32, because it overflows in fp16."""
    return dtype if model.pretrained_vae_model_name_or_path else torch.float32


def schedulers(model: ModelSection, shipped: Mapping[str, Any]) -> tuple[DDPMScheduler, SchedulerMixin]:
    """The training noise and the sampler, on one schedule: the one that is shipped, with what `model` overrides.

    A schedule that ends in pure noise is sampled from its very end ("trailing"; Lin et al., 2023, arXiv:2305.08891).
    """
    asked = {"prediction_type": model.prediction_type, "rescale_betas_zero_snr": model.rescale_betas_zero_snr}
    schedule = {**shipped, **{key: value for key, value in asked.items() if value is not None}}
    named = getattr(diffusers, str(schedule.get("_class_name")), None)  # a config may name anything
    is_sampler = isinstance(named, type) and issubclass(named, SchedulerMixin)
    sampler: Any = named if is_sampler else EulerDiscreteScheduler
    if schedule.get("rescale_betas_zero_snr"):
        schedule["timestep_spacing"] = "trailing"
        if "rescale_betas_zero_snr" not in inspect.signature(sampler.__init__).parameters:
            sampler = EulerDiscreteScheduler
    noise_scheduler: Any = DDPMScheduler.from_config(schedule)
    return noise_scheduler, sampler.from_config(schedule)


def silence_libraries() -> None:
    """Keep the libraries' warnings and progress bars off a user's terminal; the worker's go to its log."""
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def _files(model: ModelSection) -> DiffusersFolder | SingleFile:
    """What reads the base model's parts, wherever it lies."""
    name = model.pretrained_model_name_or_path
    path = find_model(name, model.revision, model.variant) or download_model(name, model.revision, model.variant)
    return SingleFile(path) if is_checkpoint(path) else DiffusersFolder(path, model.variant)


def _check_attention(unet: UNet2DConditionModel, *text_encoders: Any) -> None:
    """Attention is torch's scaled_dot_product_attention, which chooses flash kernels where there are any."""
    assert all(type(processor) is AttnProcessor2_0 for processor in unet.attn_processors.values())
    assert all(encoder.config._attn_implementation == "sdpa" for encoder in text_encoders)
