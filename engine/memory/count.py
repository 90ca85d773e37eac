"""Counting a run's GPU memory: the real modules on the meta device, one step through them, one picture in and out."""

import json
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.config import TrainConfig
from engine.memory import STATE, STATE_8BIT, MemoryEstimate
from engine.memory.live import LiveBytes, as_on_a_gpu
from engine.models.files import find_model
from engine.models.load import DTYPES
from engine.models.low_memory import quantize_linears
from engine.text.tokens import PlaceholderEmbedding
from engine.training.lora import add_adapters

META = torch.device("meta")
FLOAT32 = 4  # bytes
PROMPT_TOKENS = 77

# Both take their step on one flat tensor with two temporary ones of its size.
STEP_TEMPORARIES = 2 * FLOAT32
# bitsandbytes' nf4 keeps half a byte for each weight, and a float32 scale for each block of 64.
NF4 = 0.5 + FLOAT32 / 64


def count(config: TrainConfig) -> MemoryEstimate:
    """Count the GPU memory of a run of the resolved `config`, whose mixed_precision is set."""
    dtype = DTYPES[config.run.mixed_precision or "bf16"]
    models = bare_models(config, dtype)
    unet_bytes = _frozen_unet_bytes(models.unet, config.model.quantize)
    text_encoders = _bytes(models.text_encoder) + _bytes(models.text_encoder_2)
    vae = _bytes(models.vae)
    if config.model.quantize == "fp8":
        quantize_linears(models.unet, "fp8")
    parameters = add_trainables(models, config)
    trained_parameters = sum(parameter.numel() for parameter in parameters)
    step = step_bytes(models, config, dtype)
    encoding, decoding = _vae_bytes(models.vae, config.data.resolution)

    trains_text = config.text_encoder.train_text_encoder or config.text_encoder.train_text_encoder_ti
    trained, optimizer = 2 * FLOAT32 * trained_parameters, _state_bytes(parameters, config)
    phases = {
        "caching latents": unet_bytes + text_encoders + vae + encoding,
        "training": unet_bytes
        + (text_encoders if trains_text else 0)
        + (0 if config.data.cache_latents else vae)
        + trained
        + optimizer
        + max(step, STEP_TEMPORARIES * trained_parameters),
    }
    if config.sample.num_validation_images:
        phases["sampling"] = unet_bytes + text_encoders + vae + trained + optimizer + decoding
    return MemoryEstimate(
        unet=unet_bytes,
        text_encoders=text_encoders,
        vae=vae,
        trained=trained,
        optimizer=optimizer,
        step=step,
        encoding=encoding,
        decoding=decoding,
        trained_parameters=trained_parameters,
        phases=phases,
    )


def bare_models(config: TrainConfig, dtype: torch.dtype, device: torch.device = META) -> Any:
    """UNet, text encoders and VAE as their configs make them, in the types that training gives them; nothing loaded.

    The VAE is in float32, unless it is a replacement.
    """
    name = config.model.pretrained_model_name_or_path
    folder = None if name == "sdxl" else find_model(name)
    replaced = config.model.pretrained_vae_model_name_or_path is not None
    with device:
        models = SimpleNamespace(
            unet=UNet2DConditionModel.from_config(_config_of("unet", folder)),
            text_encoder=CLIPTextModel(CLIPTextConfig(**_config_of("text_encoder", folder))),
            text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**_config_of("text_encoder_2", folder))),
            vae=AutoencoderKL.from_config(_config_of("vae", folder)),
        )
    for part, module in vars(models).items():
        nn.Module.to(module.requires_grad_(False), torch.float32 if part == "vae" and not replaced else dtype)
    return models


def add_trainables(models: Any, config: TrainConfig) -> list[nn.Parameter]:
    """Put LoRA and new tokens in, and return what trains, each with a gradient already, as training keeps them."""
    add_adapters(models, config.lora, config.text_encoder.train_text_encoder, seed=0)
    if config.text_encoder.train_text_encoder_ti:
        rows = len(config.concept.token_abstraction) * config.text_encoder.num_new_tokens_per_abstraction
        for encoder in (models.text_encoder, models.text_encoder_2):
            table = encoder.get_input_embeddings()
            encoder.set_input_embeddings(
                PlaceholderEmbedding(table, torch.zeros(rows, table.embedding_dim, device=table.weight.device))
            )
    modules = (models.unet, models.text_encoder, models.text_encoder_2)
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    return parameters


def step_bytes(models: Any, config: TrainConfig, dtype: torch.dtype) -> int:
    """Bytes above all weights and gradients at the height of one micro-batch's forward and backward, on meta."""
    live = LiveBytes(models.unet, models.text_encoder, models.text_encoder_2)
    with live, as_on_a_gpu(dtype):
        run_step(models, config, dtype, META)
    return live.peak


def run_step(models: Any, config: TrainConfig, dtype: torch.dtype, device: torch.device) -> None:
    """One forward and backward of one micro-batch, with its prior samples in the same pass."""
    unet, side = models.unet, config.data.resolution // reduction(models.vae)
    unet.train()
    if config.run.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    batch = config.run.train_batch_size * (2 if config.prior.with_prior_preservation else 1)
    latents = torch.zeros(batch, unet.config.in_channels, side, side, device=device)
    prompt_embeds, pooled = _prompt_embeddings(models, config, batch, dtype, device)
    prediction = unet(
        latents,
        torch.zeros(batch, dtype=torch.long, device=device),
        encoder_hidden_states=prompt_embeds,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": torch.zeros(batch, 6, device=device)},
    ).sample
    loss = nn.functional.mse_loss(prediction.float(), torch.zeros_like(latents), reduction="none").mean()
    torch.autograd.backward([loss])


def _prompt_embeddings(
    models: Any, config: TrainConfig, batch: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """From the text encoders while they take part in training, else as they come from the cache."""
    text_encoder = config.text_encoder
    if text_encoder.train_text_encoder or text_encoder.train_text_encoder_ti:
        ids = torch.zeros(batch, PROMPT_TOKENS, dtype=torch.long, device=device)
        first = models.text_encoder(ids, output_hidden_states=True)
        second = models.text_encoder_2(ids, output_hidden_states=True)
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1), second.text_embeds
    width = models.unet.config.cross_attention_dim
    projection = models.text_encoder_2.config.projection_dim
    return (
        torch.zeros(batch, PROMPT_TOKENS, width, dtype=dtype, device=device),
        torch.zeros(batch, projection, dtype=dtype, device=device),
    )


def reduction(vae: Any) -> int:
    """Pixels of a side for each of the latents': 8 for SDXL's VAE."""
    return 2 ** (len(vae.config["block_out_channels"]) - 1)


@torch.no_grad()
def _vae_bytes(vae: AutoencoderKL, resolution: int) -> tuple[int, int]:
    """Bytes above the weights at the height of encoding one photo, and of decoding one picture."""
    dtype: Any = vae.dtype
    photo = torch.zeros(1, 3, resolution, resolution, dtype=dtype, device=META)
    side = resolution // reduction(vae)
    latents: Any = torch.zeros(1, vae.config["latent_channels"], side, side, dtype=dtype, device=META)
    peaks = []
    for work in (lambda: vae.encode(photo), lambda: vae.decode(latents)):
        live = LiveBytes(vae)
        with live, as_on_a_gpu(torch.float32):  # the VAE runs without autocast, in its own type
            work()
        peaks.append(live.peak)
    return peaks[0], peaks[1]


def _state_bytes(parameters: list[nn.Parameter], config: TrainConfig) -> int:
    optimizer = config.optimizer
    if optimizer.optimizer == "adafactor":  # a row and a column of second moments for each matrix
        return FLOAT32 * sum(sum(parameter.shape) for parameter in parameters)
    each = STATE_8BIT if optimizer.use_8bit_adam else STATE[optimizer.optimizer]
    return each * sum(parameter.numel() for parameter in parameters)


def _frozen_unet_bytes(unet: nn.Module, quantize: Literal["fp8", "nf4"] | None) -> int:
    """The base's weights, before adapters: the linear layers of its transformers in 8 or 4 bits where asked for."""
    if quantize is None:
        return _bytes(unet)
    linears = [
        module.weight
        for name, module in unet.named_modules()
        if isinstance(module, nn.Linear) and ".transformer_blocks." in name
    ]
    each = 1.0 if quantize == "fp8" else NF4
    smaller = sum(weight.numel() * (weight.element_size() - each) for weight in linears)
    return _bytes(unet) - round(smaller)


def _bytes(module: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


def _config_of(part: str, folder: Path | None) -> dict[str, Any]:
    """The part's config.json: the model's own where it is on this disk as a folder, else SDXL's, which ships."""
    own = folder / part / "config.json" if folder else None
    if own is not None and own.is_file():
        return json.loads(own.read_text("utf-8"))
    shipped = resources.files("engine.models") / "sdxl" / part / "config.json"
    return json.loads(shipped.read_text("utf-8"))
