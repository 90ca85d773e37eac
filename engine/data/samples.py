"""From positions to batches: caption, crop, latents, time ids, mask and noise, each a function of the position."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from curation.text import visible
from engine.chance import draw_seed, generator
from engine.config import TrainConfig
from engine.data.buckets import MIDDLE, Crop, Size, covering_size, crop_around, crop_sizes, nearest_size, time_ids
from engine.data.captions import drawn_caption
from engine.data.examples import Example
from engine.data.latents import Posteriors
from engine.data.masks import covering_mask, find_masks, latent_mask
from engine.data.order import Order
from engine.data.pixels import covering, cropped, measure
from engine.errors import EngineError
from engine.paths import typed_path
from engine.settings import DataSection

# Resized photos are kept in memory, about 3 MB each at 1024 px, so that an epoch does not decode them again.
KEPT_PHOTOS = 128
# Masks of crops, 64 kB each at 1024 px.
KEPT_MASKS = 1024


@dataclass(frozen=True)
class Batch:
    """A micro-batch: what the photos are, and every draw that its loss depends on.

    latents, noise: float32, shape (batch, 4, height / 8, width / 8).  timesteps: int64, shape (batch,).
    time_ids: float32, shape (batch, 6).  masks: float32 in 0 to 1, shape (batch, 1, height / 8, width / 8), or None
    where all is learned from.  The last `prior_samples` are class images.
    """

    photos: tuple[str, ...]
    captions: tuple[str, ...]
    latents: Tensor
    time_ids: Tensor
    noise: Tensor
    timesteps: Tensor
    masks: Tensor | None = None
    prior_samples: int = 0

    def to(self, device: torch.device) -> "Batch":
        """The same batch with its tensors on `device`, each in its own dtype."""
        return replace(
            self,
            latents=self.latents.to(device),
            time_ids=self.time_ids.to(device),
            noise=self.noise.to(device),
            timesteps=self.timesteps.to(device),
            masks=None if self.masks is None else self.masks.to(device),
        )


def photo_samples(examples: Sequence[Example], config: TrainConfig, posteriors: Posteriors) -> "Samples":
    """The photos' stream, as the config asks for it.

    Raises CurationError for a photo that cannot be read, EngineError for a mask that cannot.
    """
    masks = None
    if config.loss.masked_loss:
        masks = find_masks(examples, typed_path(config.data.mask_dir) if config.data.mask_dir else None)
    return Samples(examples, config.data, posteriors, config.run.seed, masks, batch_size=config.run.train_batch_size)


def class_image_samples(examples: Sequence[Example], config: TrainConfig, posteriors: Posteriors) -> "Samples":
    """The class images' stream: each once an epoch, its caption always whole, and square unless `batch` is told."""
    plain = {"repeats": 1, "aspect_ratio_buckets": False, "caption_dropout_rate": 0.0, "shuffle_caption": False}
    data = config.data.model_copy(update=plain)
    return Samples(examples, data, posteriors, config.run.seed, purpose="class image")


class Samples:
    """The endless stream of training samples that `examples` make, addressed by position.

    Photos are repeated, then shuffled, anew each epoch; the micro-batches of `batch_size` have one shape each.  Crops,
    flips, captions and the VAE's own noise are drawn for each position, so that a smaller micro-batch changes no draw.
    masks: the file of each photo's mask, by photo name; None leaves masks out of the batches.
    purpose: keeps the draws of photos and class images apart.  length: samples of an epoch.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        data: DataSection,
        posteriors: Posteriors,
        seed: int,
        masks: Mapping[str, Path] | None = None,
        purpose: str = "photo",
        batch_size: int = 1,
    ) -> None:
        self.examples = tuple(examples)
        self._data, self._posteriors, self._seed, self._purpose = data, posteriors, seed, purpose
        with ThreadPoolExecutor() as pool:
            self._measured = tuple(pool.map(measure, (example.path for example in self.examples)))
        sizes = crop_sizes(data.resolution, data.aspect_ratio_buckets)
        self._sizes = [nearest_size(measured.size, sizes) for measured in self._measured]
        groups = [[index for index, each in enumerate(self._sizes) if each == size] for size in sizes]
        self._order = Order([group for group in groups if group], data.repeats, batch_size, seed, purpose)
        self.length = self._order.length
        self._resized = lru_cache(maxsize=KEPT_PHOTOS)(self._load_resized)
        self._masks = masks
        self._mask = lru_cache(maxsize=KEPT_MASKS)(self._load_mask)

    def captions(self) -> tuple[str, ...] | None:
        """Every caption that can be drawn, sorted; None where tags are shuffled, and they are too many to list."""
        if self._data.shuffle_caption:
            return None
        dropped = {""} if self._data.caption_dropout_rate else set()
        return tuple(sorted({example.caption for example in self.examples} | dropped))

    def cache_latents(
        self, positions: Iterable[int], size_at: Callable[[int], Size] | None = None
    ) -> Iterator[tuple[int, int]]:
        """Encode, or find on disk, every crop that `positions` will ask for; yields (done, crops).

        Nothing where crops are drawn anew each time (cache_latents = false).  size_at: as `batch` will be told.
        """
        if not self._data.cache_latents:
            return
        crops = {}
        for position in positions:
            index = self.index(position)
            crops[index, self.crop(index, position, size_at(position) if size_at else None)] = None
        for done, (index, crop) in enumerate(sorted(crops, key=lambda each: each[0]), start=1):
            self._posterior(index, crop)
            yield done, len(crops)

    def index(self, position: int) -> int:
        """Which example stands at `position`."""
        return self._order.index(position)

    def size(self, position: int) -> Size:
        """(height, width) in pixels of the sample at `position`."""
        return self._sizes[self.index(position)]

    def crop(self, index: int, position: int, size: Size | None = None) -> Crop:
        """The crop of example `index` when it stands at `position`.

        Around the photo's focus, where it has one, else in the middle or drawn: with cache_latents one of the photo's
        crop_variants.  size: the crop's, instead of the photo's bucket's.
        """
        height, width = size or self._sizes[index]
        flip = self._data.random_flip and draw_seed(self._seed, f"{self._purpose} flip", position) % 2 == 1
        if focus := self.examples[index].focus or (MIDDLE if self._data.center_crop else None):
            return crop_around(self._measured[index].size, (height, width), focus, flip)
        covering_height, covering_width = covering_size(self._measured[index].size, (height, width))
        rows, columns = covering_height - height, covering_width - width
        purpose, place = f"{self._purpose} crop", position
        if self._data.cache_latents:
            place = draw_seed(self._seed, f"{purpose} variant", position) % self._data.crop_variants
            purpose = f"{purpose} {self._measured[index].sha256}"
        chance = generator(self._seed, purpose, place)
        top = int(torch.randint(rows + 1, (), generator=chance))
        left = int(torch.randint(columns + 1, (), generator=chance))
        return Crop(top, left, height, width, flip)

    def latents(self, index: int, crop: Crop, position: int) -> Tensor:
        """A draw from the VAE's posterior, scaled. Float32, shape (4, height / 8, width / 8)."""
        mean, std = self._posterior(index, crop)
        return mean + std * torch.randn(mean.shape, generator=self._chance("latents", position))

    def time_ids(self, index: int, crop: Crop) -> Tensor:
        """SDXL's size conditioning. Float32, shape (6,): true integers, which a trip through bf16 would round."""
        return torch.tensor(time_ids(self._measured[index].size, crop), dtype=torch.float32)

    def batch(
        self, position: int, size: int, num_train_timesteps: int, noise_offset: float = 0.0, shape: Size | None = None
    ) -> Batch:
        """The samples at `position` to `position + size - 1`, with the noise and timesteps drawn for each.

        shape: (height, width) in pixels, of all of them; otherwise they must be of one bucket, as the samples between
        two multiples of `batch_size` are.
        """
        positions = range(position, position + size)
        indices = [self.index(place) for place in positions]
        crops = [self.crop(index, place, shape) for index, place in zip(indices, positions, strict=True)]
        drawn = list(zip(indices, crops, positions, strict=True))
        latents = torch.stack([self.latents(index, crop, place) for index, crop, place in drawn])
        return Batch(
            photos=tuple(self.examples[index].name for index in indices),
            captions=tuple(self._caption(index, place) for index, _, place in drawn),
            latents=latents,
            time_ids=torch.stack([self.time_ids(index, crop) for index, crop, _ in drawn]),
            noise=torch.stack([self._noise(latents.shape[1:], place, noise_offset) for place in positions]),
            timesteps=torch.tensor(
                [draw_seed(self._seed, f"{self._purpose} timestep", place) % num_train_timesteps for place in positions]
            ),
            masks=None if self._masks is None else self._stacked_masks(drawn, latents.shape[-2:]),
        )

    def _chance(self, what: str, position: int) -> torch.Generator:
        return generator(self._seed, f"{self._purpose} {what}", position)

    def _caption(self, index: int, position: int) -> str:
        return drawn_caption(self.examples[index].caption, self._data, self._seed, self._purpose, position)

    def _noise(self, shape: torch.Size, position: int, offset: float) -> Tensor:
        """Noise to add. offset: strength of a draw for each channel's mean (Guttenberg, 2023, offset noise)."""
        noise = torch.randn(shape, generator=self._chance("noise", position))
        if offset:
            noise += offset * torch.randn((shape[0], 1, 1), generator=self._chance("noise offset", position))
        return noise

    def _posterior(self, index: int, crop: Crop) -> tuple[Tensor, Tensor]:
        def picture() -> Image.Image:
            return cropped(self._resized(index, (crop.height, crop.width)), crop)

        try:
            if self._data.cache_latents:
                return self._posteriors.cached(self._measured[index].sha256, crop, picture)
            return self._posteriors.encode(picture())
        except EngineError as error:
            raise EngineError(f"{visible(self.examples[index].name)}: {error.problem}", error.remedy) from error

    def _load_resized(self, index: int, size: Size) -> Image.Image:
        return covering(self.examples[index].path, size, self._measured[index])

    def _stacked_masks(self, drawn: Sequence[tuple[int, Crop, int]], size: torch.Size) -> Tensor:
        return torch.stack([self._mask(index, crop, (size[0], size[1])) for index, crop, _ in drawn])

    def _load_mask(self, index: int, crop: Crop, latents: Size) -> Tensor:
        """The crop's mask in the latents' height and width, all ones where the photo has none."""
        example = self.examples[index]
        if path := (self._masks or {}).get(example.name):
            size = (crop.height, crop.width)
            covering = covering_mask(path, example.path, self._measured[index].size, size)
            return torch.from_numpy(latent_mask(covering, crop, latents))
        return torch.ones(1, *latents)


def with_class_images(photos: Batch, class_images: Batch) -> Batch:
    """One batch for one forward pass: photos first, then class images, each with its own caption and time ids."""
    masks = photos.masks
    if masks is not None:  # all of a class image is learned from
        masks = torch.cat([masks, torch.ones(len(class_images.photos), *masks.shape[1:])])
    return Batch(
        photos=photos.photos + class_images.photos,
        captions=photos.captions + class_images.captions,
        latents=torch.cat([photos.latents, class_images.latents]),
        time_ids=torch.cat([photos.time_ids, class_images.time_ids]),
        noise=torch.cat([photos.noise, class_images.noise]),
        timesteps=torch.cat([photos.timesteps, class_images.timesteps]),
        masks=masks,
        prior_samples=len(class_images.photos),
    )
