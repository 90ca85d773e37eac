"""The VAE's posteriors of cropped photos: computed once, kept on disk, and read from there by every later run."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from curation.atomic import write_bytes
from engine.data.buckets import Crop
from engine.errors import EngineError

# In memory, half a megabyte each at 1024 px: reading one from disk again, and checking it, takes 2 ms.
KEPT_POSTERIORS = 128
VERSION = 1
"""Of what is kept: a change of resizing or of the file's layout asks for a new one."""


class Posteriors:
    """Mean and standard deviation of scaled latents, float32 on the CPU, shape (4, height / 8, width / 8) each.

    Scaled: times the VAE's scaling_factor, as the UNet takes them.
    vae: loads the VAE; called only when a crop must be encoded.  identity: of the VAE's weights.  dtype: the VAE's.
    folder: where they are kept; None keeps the last ones in memory only.  warn: takes a sentence for the user.
    """

    def __init__(
        self,
        vae: Callable[[], AutoencoderKL],
        identity: str,
        dtype: torch.dtype,
        folder: Path | None,
        warn: Callable[[str], None],
    ) -> None:
        self._vae, self._vae_key, self._folder, self._warn = vae, f"{identity} {dtype}", folder, warn
        self._can_write = folder is not None
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def are_kept(self) -> bool:
        """Whether all that was encoded is found on disk, so that the VAE may leave the GPU."""
        return self._can_write

    def cached(self, sha256: str, crop: Crop, picture: Callable[[], Image.Image]) -> tuple[Tensor, Tensor]:
        """The posterior of a photo's crop, from memory or disk, or else encoded and kept.

        sha256: of the photo's bytes.  picture: makes the crop, in RGB.
        Raises EngineError when the VAE gives no finite latents.
        """
        key = self._key(sha256, crop)
        posterior = self._kept.pop(key, None) or self._read(key)
        if posterior is None:
            posterior = self.encode(picture())
            self._write(key, posterior)
        self._kept[key] = posterior  # the dict is in the order of last use
        if len(self._kept) > KEPT_POSTERIORS:
            del self._kept[next(iter(self._kept))]
        return posterior

    @torch.no_grad()
    def encode(self, picture: Image.Image) -> tuple[Tensor, Tensor]:
        """The posterior of one picture in RGB, computed. Raises EngineError when it is not finite."""
        vae = self._vae()
        posterior = vae.encode(to_tensor(picture)[None].to(vae.device, vae.dtype)).latent_dist  # type: ignore[union-attr]
        scale = vae.config["scaling_factor"]
        mean, std = posterior.mean[0].float().cpu() * scale, posterior.std[0].float().cpu() * scale
        if not (mean.isfinite().all() and std.isfinite().all()):
            raise EngineError(
                "The VAE gives no finite latents.",
                "SDXL's own VAE overflows in fp16: set pretrained_vae_model_name_or_path = 'sdxl-vae-fp16', "
                "or mixed_precision = 'bf16'.",
            )
        return mean, std

    def _key(self, sha256: str, crop: Crop) -> str:
        return blake2b(repr((VERSION, sha256, crop, self._vae_key)).encode(), digest_size=16).hexdigest()

    def _read(self, key: str) -> tuple[Tensor, Tensor] | None:
        """What the disk has, or None where it has nothing, or a file that is not as it was written."""
        if self._folder is None:
            return None
        try:
            with safe_open(self._folder / f"{key}.safetensors", "pt") as file:
                posterior = file.get_tensor("mean"), file.get_tensor("std")
                written = (file.metadata() or {}).get("digest")
        except (OSError, SafetensorError):
            return None
        return posterior if written == _digest(posterior) else None

    def _write(self, key: str, posterior: tuple[Tensor, Tensor]) -> None:
        if self._folder is None or not self._can_write:
            return
        mean, std = posterior
        content = save({"mean": mean, "std": std}, {"digest": _digest(posterior)})
        try:
            write_bytes(self._folder / f"{key}.safetensors", content)
        except OSError as error:
            self._can_write = False
            self._warn(
                f"Latents cannot be kept in {self._folder} ({error.strerror or error}): the run goes on, but slower."
            )


def to_tensor(picture: Image.Image) -> Tensor:
    """A picture in RGB as the VAE takes it: float32 in [-1, 1], shape (3, height, width)."""
    return torch.from_numpy(np.asarray(picture, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1.0


def _digest(posterior: tuple[Tensor, Tensor]) -> str:
    return blake2b(b"".join(tensor.numpy().tobytes() for tensor in posterior), digest_size=16).hexdigest()
