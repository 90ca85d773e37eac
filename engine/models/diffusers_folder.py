"""A model as diffusers lays it out in a folder, part by part, in whichever weights are there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from curation.text import counted
from engine.errors import EngineError
from engine.models.files import variant_on_disk


@dataclass(frozen=True)
class DiffusersFolder:
    """variant: of the weights that are wanted; None: the plain ones, or fp16 where only they are there."""

    path: Path
    variant: str | None = None

    def tokenizers(self) -> tuple[CLIPTokenizer, CLIPTokenizer]:
        return (
            CLIPTokenizer.from_pretrained(self.path, subfolder="tokenizer"),
            CLIPTokenizer.from_pretrained(self.path, subfolder="tokenizer_2"),
        )

    def text_encoders(self, dtype: torch.dtype, eos_token_id: int) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
        """eos_token_id: where the second one is to pool, whatever its config says."""
        return (
            self._load(CLIPTextModel, "text_encoder", dtype),
            self._load(CLIPTextModelWithProjection, "text_encoder_2", dtype, eos_token_id=eos_token_id),
        )

    def unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        return self._load(UNet2DConditionModel, "unet", dtype)

    def vae(self, dtype: torch.dtype) -> AutoencoderKL:
        return self._load(AutoencoderKL, "vae", dtype)

    def vae_alone(self, dtype: torch.dtype) -> AutoencoderKL:
        """Of a folder that holds a VAE and nothing else."""
        return self._load(AutoencoderKL, "", dtype)

    def schedule(self) -> dict[str, Any]:
        """The noise schedule's settings, and the name of the sampler that the model ships with."""
        schedule: Any = DDPMScheduler.load_config(self.path, subfolder="scheduler")
        return dict(schedule)

    def _load(self, kind: Any, part: str, dtype: torch.dtype, **settings: Any) -> Any:
        """Raises EngineError for tensors that are missing, in whose place the libraries put random ones."""
        variant = variant_on_disk(self.path, part, self.variant)
        module, found = kind.from_pretrained(
            self.path,
            subfolder=part,
            dtype=dtype,
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **settings,
        )
        if missing := sorted(found["missing_keys"]):
            raise EngineError(
                f"The {part or 'VAE'} in {self.path} lacks {counted(len(missing), 'tensor')}, e.g. {missing[0]}.",
                "Download it again.",
            )
        return module
