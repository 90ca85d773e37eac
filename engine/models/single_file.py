"""A single .safetensors checkpoint, as people download them, converted in memory by diffusers' own key maps.

Nothing is fetched: SDXL's configs and OpenAI's vocabulary lie in `sdxl/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import safe_open
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from engine.errors import EngineError
from engine.models.checkpoint_header import read_header
from engine.models.clip_vocabulary import read_merges, sdxl_tokenizers

CONFIGS = Path(__file__).parent / "sdxl"

# How the tensors of each part are named in the layout that Stability published.
UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT_ENCODER = "conditioner.embedders.0.transformer."
TEXT_ENCODER_2 = "conditioner.embedders.1.model."

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class SingleFile:
    """configs: a folder with the configs of the architecture as diffusers lays them out, and its tokenizer's merges."""

    path: Path
    configs: Path = CONFIGS

    def tokenizers(self) -> tuple[CLIPTokenizer, CLIPTokenizer]:
        """OpenAI's vocabulary, which every SDXL has."""
        return sdxl_tokenizers(read_merges(self.configs / "tokenizer" / "merges.txt"))

    def text_encoders(self, dtype: torch.dtype, eos_token_id: int) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
        """eos_token_id: where the second one is to pool, whatever its config says."""
        config = CLIPTextConfig.from_pretrained(self.configs, subfolder="text_encoder")
        config_2 = CLIPTextConfig.from_pretrained(self.configs, subfolder="text_encoder_2", eos_token_id=eos_token_id)
        return (
            self._load(lambda: CLIPTextModel(config), TEXT_ENCODER, _text_encoder_tensors, dtype),
            self._load(lambda: CLIPTextModelWithProjection(config_2), TEXT_ENCODER_2, _text_encoder_2_tensors, dtype),
        )

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        unet: Any = UNet2DConditionModel
        config = unet.load_config(self.configs, subfolder="unet")
        return self._load(lambda: unet.from_config(config), UNET, _unet_tensors, dtype)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        vae: Any = AutoencoderKL
        config = vae.load_config(self.configs, subfolder="vae")
        return self._load(lambda: vae.from_config(config), VAE, _vae_tensors, dtype)

    def schedule(self) -> dict[str, Any]:
        """SDXL's, with what the file itself says of its prediction type and its last noise level."""
        schedule: Any = DDPMScheduler.load_config(self.configs, subfolder="scheduler")
        header = read_header(self.path)
        said = {"prediction_type": header.prediction_type, "rescale_betas_zero_snr": header.zero_terminal_snr or None}
        return {**schedule, **{key: value for key, value in said.items() if value is not None}}

    def _load(
        self,
        build: Callable[[], Module],
        prefix: str,
        convert: Callable[[dict[str, Tensor], Any], Mapping[str, Tensor]],
        dtype: torch.dtype,
    ) -> Module:
        """Build the part without memory of its own, and fill it with the tensors under `prefix`.

        Raises EngineError when tensors are missing, too many, or of other shapes than SDXL's.
        """
        with safe_open(self.path, framework="pt") as file:
            # A tensor at a time, so that the file is in memory once.
            tensors = {name: file.get_tensor(name).to(dtype) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118 - no dict
        with init_empty_weights():
            module = build()
        try:
            module.load_state_dict(convert(tensors, module), strict=True, assign=True)
        except (RuntimeError, KeyError, IndexError) as error:
            raise EngineError(
                f"The tensors {prefix}* in {self.path} are not SDXL's, or are not all of them.",
                "Take an SDXL base checkpoint, not a distilled one (SSD-1B, Vega), or download it again.",
            ) from error
        return module.eval()


def _unet_tensors(tensors: dict[str, Tensor], unet: UNet2DConditionModel) -> Mapping[str, Tensor]:
    return convert_ldm_unet_checkpoint(tensors, unet.config)


def _vae_tensors(tensors: dict[str, Tensor], vae: AutoencoderKL) -> Mapping[str, Tensor]:
    return convert_ldm_vae_checkpoint(tensors, vae.config)


def _text_encoder_tensors(tensors: dict[str, Tensor], text_encoder: CLIPTextModel) -> Mapping[str, Tensor]:
    converted = convert_ldm_clip_checkpoint(tensors)
    # transformers 5.6 took the level `text_model` out of CLIPTextModel; older files hold its position ids.
    names = {name: name.removeprefix("text_model.") for name in converted}
    return {name: converted[old] for old, name in names.items() if not name.endswith("position_ids")}


def _text_encoder_2_tensors(tensors: dict[str, Tensor], text_encoder: nn.Module) -> Mapping[str, Tensor]:
    """OpenCLIP's: queries, keys and values in one tensor, which are taken apart."""
    return convert_open_clip_checkpoint(text_encoder, tensors, prefix=TEXT_ENCODER_2)
