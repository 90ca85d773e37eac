"""Prompt embeddings on disk: made once for each prompt and state of the text encoders, read by every later run."""

from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from curation.atomic import write_bytes
from engine.models.files import model_identity
from engine.models.load import Models
from engine.settings import TextEncoderSection
from engine.text.tokens import placeholder_rows
from engine.training.lora import lora_state

VERSION = 1
"""Of what is kept: a change of encoding or of the file's layout asks for a new one."""


def text_identity(models: Models, text_encoder: TextEncoderSection) -> str:
    """Changes with all that embeddings of a prompt depend on beside the prompt.

    The base model, its dtype and device, the new tokens' rows and the text encoders' LoRA as they are now, clip_skip
    and chunks.
    """
    base = models.source.model_copy(update={"pretrained_vae_model_name_or_path": None})
    device, dtype = models.text_encoder.device, models.text_encoder.dtype
    settings = (text_encoder.clip_skip, text_encoder.chunk_captions)
    digest = blake2b(repr((VERSION, model_identity(base), device.type, dtype, settings)).encode(), digest_size=16)
    for encoder in (models.text_encoder, models.text_encoder_2):
        rows = placeholder_rows(encoder)
        trained = lora_state(encoder) if rows is None else {**lora_state(encoder), "rows": rows}
        for name, parameter in trained.items():
            digest.update(f"{name} {tuple(parameter.shape)}".encode() + _bytes(parameter))
    return digest.hexdigest()


class PromptCache:
    """Embeddings of prompts in `folder`, which were made by text encoders of one `identity`."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity

    def read(self, prompt: str) -> tuple[Tensor, Tensor] | None:
        """prompt_embeds and pooled_prompt_embeds, on the CPU; None where none are kept, or not as they were written."""
        try:
            with safe_open(self._file(prompt), "pt") as file:
                embeds, pooled = file.get_tensor("prompt_embeds"), file.get_tensor("pooled_prompt_embeds")
                written = (file.metadata() or {}).get("digest")
        except (OSError, SafetensorError):
            return None
        return (embeds, pooled) if written == _digest(embeds, pooled) else None

    def write(self, prompt: str, prompt_embeds: Tensor, pooled_prompt_embeds: Tensor) -> None:
        """Keep embeddings that lie on the CPU; where the disk does not take them, a later run makes them again."""
        tensors = {"prompt_embeds": prompt_embeds.contiguous(), "pooled_prompt_embeds": pooled_prompt_embeds}
        content = save(tensors, {"digest": _digest(prompt_embeds, pooled_prompt_embeds)})
        with suppress(OSError):
            write_bytes(self._file(prompt), content)

    def _file(self, prompt: str) -> Path:
        key = blake2b(repr((self._identity, prompt)).encode(), digest_size=16).hexdigest()
        return self._folder / f"{key}.safetensors"


def _digest(*tensors: Tensor) -> str:
    return blake2b(b"".join(_bytes(tensor) for tensor in tensors), digest_size=16).hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()  # numpy has no bfloat16
