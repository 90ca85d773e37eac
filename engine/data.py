"""From photos to batches: captions, crops, latents and SDXL's time ids, each a function of the sample's position."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageOps
from torch import Tensor

from curation.dataset import open_dataset
from curation.photo import load_rgb
from curation.text import visible
from engine.chance import draw_seed, generator, order
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.settings import DataSection

# Resized photos are kept in memory, about 4 MB each at 1024 px, so that an epoch does not decode them again.
KEPT_PHOTOS = 128


@dataclass(frozen=True)
class Example:
    """A photo and the caption that it is trained on. name: for messages."""

    name: str
    path: Path
    caption: str


@dataclass(frozen=True)
class Crop:
    """A square of `resolution` in a photo whose short side was resized to it. flip: mirrored before cropping."""

    top: int
    left: int
    flip: bool = False


@dataclass(frozen=True)
class Batch:
    """A micro-batch: what the photos are, and every draw that its loss depends on.

    latents, noise: float32, shape (batch, 4, resolution / 8, resolution / 8).  timesteps: int64, shape (batch,).
    time_ids: float32, shape (batch, 6).  The last `prior_samples` are class images.
    """

    photos: tuple[str, ...]
    captions: tuple[str, ...]
    latents: Tensor
    time_ids: Tensor
    noise: Tensor
    timesteps: Tensor
    prior_samples: int = 0

    def to(self, device: torch.device) -> "Batch":
        """The same batch with its tensors on `device`."""
        return replace(
            self,
            latents=self.latents.to(device),
            time_ids=self.time_ids.to(device),
            noise=self.noise.to(device),
            timesteps=self.timesteps.to(device),
        )


def read_examples(config: TrainConfig) -> tuple[Example, ...]:
    """The photos that training uses, with their own captions or else the instance prompt.

    Raises CurationError for a folder that cannot be read, EngineError when a photo would have no caption.
    """
    if not config.data.instance_data_dir:
        raise EngineError("No photos are named.", "Set instance_data_dir to the folder that holds them.")
    dataset = open_dataset(Path(config.data.instance_data_dir), config.data.caption_column)
    instance_prompt = config.concept.instance_prompt
    examples = []
    for photo in dataset.trainable:
        caption = photo.caption or instance_prompt
        if not caption:
            raise EngineError(
                f"{visible(photo.name)} has no caption, and there is no instance_prompt.",
                "Set instance_prompt, e.g. 'a photo of TOK', or write captions.",
            )
        examples.append(Example(photo.name, photo.path, caption))
    if not examples:
        raise EngineError("Every photo is left out of training.", f"See why with: loratui lint {dataset.root}")
    return tuple(examples)


class Samples:
    """The endless stream of training samples that `examples` make, addressed by position.

    Photos are repeated, then shuffled, anew each epoch.  Crops, flips and the VAE's own noise are drawn for each
    position.  purpose: keeps the draws of photos and class images apart.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        data: DataSection,
        vae: AutoencoderKL,
        seed: int,
        purpose: str = "photo",
        repeats: int = 1,
    ) -> None:
        self.examples = tuple(examples)
        self.length = len(self.examples) * repeats
        self._data, self._vae, self._seed, self._purpose = data, vae, seed, purpose
        # One possible crop: its posterior is computed once. Kept by photo, so shuffling cannot mix them up.
        self._crops_are_fixed = data.center_crop and not data.random_flip
        self._posteriors: dict[int, tuple[Tensor, Tensor]] = {}
        self._resized = lru_cache(maxsize=KEPT_PHOTOS)(self._load_resized)
        self._sizes = cache(self._read_sizes)  # of every photo: with its latents cached it is not decoded again

    def cache_latents(self) -> Iterator[int]:
        """Encode every photo whose crop never changes, yielding how many are done; nothing where crops are drawn."""
        if self._crops_are_fixed:
            for index in range(len(self.examples)):
                self._posterior(index, self.crop(index, 0))
                yield index + 1

    def index(self, position: int) -> int:
        """Which example stands at `position`."""
        epoch, place = divmod(position, self.length)
        return order(self._seed, f"{self._purpose} order", epoch, self.length)[place] % len(self.examples)

    def crop(self, index: int, position: int) -> Crop:
        """The crop of example `index` when it stands at `position`."""
        _, (height, width) = self._sizes(index)
        rows, columns = height - self._data.resolution, width - self._data.resolution
        if self._data.center_crop:
            top, left = rows // 2, columns // 2
        else:
            chance = generator(self._seed, f"{self._purpose} crop", position)
            top = int(torch.randint(rows + 1, (), generator=chance))
            left = int(torch.randint(columns + 1, (), generator=chance))
        flip = self._data.random_flip and draw_seed(self._seed, f"{self._purpose} flip", position) % 2 == 1
        return Crop(top, left, flip)

    def latents(self, index: int, crop: Crop, position: int) -> Tensor:
        """A draw from the VAE's posterior, scaled. Float32, shape (4, resolution / 8, resolution / 8)."""
        mean, std = self._posterior(index, crop)
        noise = torch.randn(mean.shape, generator=generator(self._seed, f"{self._purpose} latents", position))
        return (mean + std * noise) * self._vae.config["scaling_factor"]

    def time_ids(self, index: int, crop: Crop) -> Tensor:
        """SDXL's size conditioning (Podell et al., 2023, arXiv:2307.01952, section 2.2). Float32, shape (6,).

        Original height and width, the crop's top and left, target height and width: true integers, which a trip
        through bf16 would round.
        """
        (height, width), _ = self._sizes(index)
        side = self._data.resolution
        return torch.tensor([height, width, crop.top, crop.left, side, side], dtype=torch.float32)

    def batch(self, position: int, size: int, num_train_timesteps: int, noise_offset: float = 0.0) -> Batch:
        """The samples at `position` to `position + size - 1`, with the noise and timesteps drawn for each."""
        positions = range(position, position + size)
        indices = [self.index(place) for place in positions]
        crops = [self.crop(index, place) for index, place in zip(indices, positions, strict=True)]
        latents = torch.stack(
            [self.latents(index, crop, place) for index, crop, place in zip(indices, crops, positions, strict=True)]
        )
        return Batch(
            photos=tuple(self.examples[index].name for index in indices),
            captions=tuple(self.examples[index].caption for index in indices),
            latents=latents,
            time_ids=torch.stack([self.time_ids(index, crop) for index, crop in zip(indices, crops, strict=True)]),
            noise=torch.stack([self._noise(latents.shape[1:], place, noise_offset) for place in positions]),
            timesteps=torch.tensor(
                [draw_seed(self._seed, f"{self._purpose} timestep", place) % num_train_timesteps for place in positions]
            ),
        )

    def _noise(self, shape: torch.Size, position: int, offset: float) -> Tensor:
        """Noise to add. offset: strength of a draw for each channel's mean (Guttenberg, 2023, offset noise)."""
        noise = torch.randn(shape, generator=generator(self._seed, f"{self._purpose} noise", position))
        if offset:
            chance = generator(self._seed, f"{self._purpose} noise offset", position)
            noise += offset * torch.randn((shape[0], 1, 1), generator=chance)
        return noise

    def _posterior(self, index: int, crop: Crop) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the VAE's latents, float32 on the CPU, before scaling."""
        if index in self._posteriors:
            return self._posteriors[index]
        image = pixels(self._resized(index)[0], crop, self._data.resolution)
        with torch.no_grad():
            posterior = self._vae.encode(image[None].to(self._vae.device, self._vae.dtype)).latent_dist  # type: ignore[union-attr]
        mean, std = posterior.mean[0].float().cpu(), posterior.std[0].float().cpu()
        if not (mean.isfinite().all() and std.isfinite().all()):
            raise EngineError(
                f"The VAE gives no finite latents for {visible(self.examples[index].name)}.",
                "SDXL's own VAE overflows in fp16: set pretrained_vae_model_name_or_path = "
                "'madebyollin/sdxl-vae-fp16-fix', or mixed_precision = 'bf16'.",
            )
        if self._crops_are_fixed:
            self._posteriors[index] = (mean, std)
        return mean, std

    def _load_resized(self, index: int) -> tuple[Image.Image, tuple[int, int]]:
        """The photo with its short side at the resolution, and its original (height, width)."""
        photo = load_rgb(self.examples[index].path)
        return resize_short_side(photo, self._data.resolution), (photo.height, photo.width)

    def _read_sizes(self, index: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """(height, width) of the photo as it is, and resized."""
        resized, original = self._resized(index)
        return original, (resized.height, resized.width)


def resize_short_side(photo: Image.Image, resolution: int) -> Image.Image:
    """The photo scaled so that its short side has `resolution` pixels, up or down."""
    scale = resolution / min(photo.size)
    size = (max(resolution, round(photo.width * scale)), max(resolution, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.LANCZOS)


def pixels(resized: Image.Image, crop: Crop, resolution: int) -> Tensor:
    """The crop as the VAE takes it: float32 in [-1, 1], shape (3, resolution, resolution)."""
    image = ImageOps.mirror(resized) if crop.flip else resized
    square = image.crop((crop.left, crop.top, crop.left + resolution, crop.top + resolution))
    return torch.from_numpy(np.asarray(square, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1.0


def with_class_images(photos: Batch, class_images: Batch) -> Batch:
    """One batch for one forward pass: photos first, then class images, each with its own caption and time ids."""
    return Batch(
        photos=photos.photos + class_images.photos,
        captions=photos.captions + class_images.captions,
        latents=torch.cat([photos.latents, class_images.latents]),
        time_ids=torch.cat([photos.time_ids, class_images.time_ids]),
        noise=torch.cat([photos.noise, class_images.noise]),
        timesteps=torch.cat([photos.timesteps, class_images.timesteps]),
        prior_samples=len(class_images.photos),
    )
