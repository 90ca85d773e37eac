"""What each optimizer step trains on: photos, and beside them what keeps their class known."""

from engine.config import TrainConfig
from engine.data.samples import Batch, Samples, with_class_images
from engine.plan import effective_batch
from engine.training.prior import with_class_prompt


class Batches:
    """Micro-batches by position: of photos with class images, or with their own latents under the class prompt.

    photos, class_images: where samples come from; class_images is None without them.
    """

    def __init__(
        self, config: TrainConfig, photos: Samples, class_images: Samples | None, num_train_timesteps: int
    ) -> None:
        self._photos, self._class_images = photos, class_images
        self._micro_batch, self._noise_offset = config.run.train_batch_size, config.loss.noise_offset
        self._samples_per_step = effective_batch(config.run)
        self._timesteps = num_train_timesteps
        self._class_prompt = (config.prior.class_prompt or "") if prior_from_base_model(config) else None
        self._samples_per_epoch = len(photos.examples) * config.data.repeats

    def batch(self, position: int, size: int) -> Batch:
        """The micro-batch of the `size` photos from `position` on."""
        batch = self._photos.batch(position, size, self._timesteps, self._noise_offset)
        if self._class_prompt is not None:
            return with_class_prompt(batch, self._class_prompt)
        if self._class_images is None:
            return batch
        shape = self._photos.size(position)
        return with_class_images(
            batch, self._class_images.batch(position, size, self._timesteps, self._noise_offset, shape)
        )

    def epoch(self, position: int) -> int:
        """The epoch that the photo at `position` belongs to, from 1 on."""
        return position // self._samples_per_epoch + 1

    def captions(self) -> list[str] | None:
        """Every caption that can be drawn, sorted; None where they are too many to list."""
        drawn = [samples.captions() for samples in (self._photos, self._class_images) if samples]
        if None in drawn:
            return None
        prompts = () if self._class_prompt is None else (self._class_prompt,)
        return sorted({*prompts, *(caption for captions in drawn for caption in captions or ())})

    def largest(self, steps: range) -> int:
        """The first of the optimizer steps in `steps`, counted from 0, that has the largest pictures of them all."""
        return max(steps, key=self._most_pixels)

    def _most_pixels(self, step: int) -> int:
        """Of a picture in the step; the photos of a micro-batch share one shape."""
        first = step * self._samples_per_step
        positions = range(first, first + self._samples_per_step, self._micro_batch)
        return max(height * width for height, width in map(self._photos.size, positions))


def prior_from_base_model(config: TrainConfig) -> bool:
    """Whether the base model's own predictions, and no class images, keep the class known."""
    return config.prior.with_prior_preservation and config.prior.prior_target == "base_model"
