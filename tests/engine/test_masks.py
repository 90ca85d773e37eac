"""Masks say what is learned from: found by name or in the alpha, and always cropped and flipped as their photo is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from engine.data.examples import read_examples
from engine.data.masks import find_masks
from engine.data.pixels import covering, cropped
from engine.data.samples import Samples, photo_samples, with_class_images
from engine.errors import EngineError
from tests.engine.samples import config_of, in_memory, index_of, samples_of, tiny_vae


@pytest.fixture(scope="module")
def vae(tiny_model: Path) -> AutoencoderKL:
    return tiny_vae(tiny_model)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    folder = tmp_path / "masks"
    folder.mkdir()
    return folder


def masked(photos: Path, vae: AutoencoderKL, mask_dir: Path | None = None, **data: object) -> Samples:
    named = {"mask_dir": str(mask_dir)} if mask_dir else {}
    config = config_of(photos, data={**named, **data}, loss={"masked_loss": True})
    return photo_samples(read_examples(config), config, in_memory(vae))


def found(photos: Path, mask_dir: Path | None = None) -> dict[str, str]:
    """The name of the file that holds each photo's mask."""
    return {name: path.name for name, path in find_masks(read_examples(config_of(photos)), mask_dir).items()}


def left_half(width: int, height: int) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (0, 0, width // 2, height))
    return mask


def test_without_masked_loss_there_are_no_masks(photos: Path, vae: AutoencoderKL) -> None:
    assert samples_of(photos, in_memory(vae)).batch(0, 1, 1000).masks is None


def test_photos_without_a_mask_are_learned_from_whole_and_can_be_named(
    photos: Path, masks: Path, vae: AutoencoderKL
) -> None:
    Image.new("L", (451, 300), 0).save(masks / "cat.png")
    assert found(photos, masks) == {"cat.png": "cat.png"}
    samples = masked(photos, vae, masks)
    for position in range(4):
        batch = samples.batch(position, 1, 1000)
        assert batch.masks is not None
        assert batch.masks.shape == (1, 1, 8, 8)
        assert batch.masks.dtype == torch.float32
        assert set(batch.masks.unique().tolist()) == ({0.0} if batch.photos == ("cat.png",) else {1.0})


def test_masks_are_found_by_stem_in_any_format_and_subfolder(photos: Path, masks: Path) -> None:
    (photos / "more").mkdir()
    (photos / "rocket.png").rename(photos / "more" / "rocket.png")
    Image.new("L", (451, 300)).save(masks / "cat.webp")
    Image.new("L", (512, 512)).save(masks / "astronaut.JPG")
    (masks / "more").mkdir()
    Image.new("L", (640, 427)).save(masks / "more" / "rocket.tif")
    assert found(photos, masks) == {
        "cat.png": "cat.webp",
        "astronaut.png": "astronaut.JPG",
        "more/rocket.png": "rocket.tif",
    }


def test_alpha_is_the_mask_where_there_is_no_file(photos: Path, masks: Path, vae: AutoencoderKL) -> None:
    for name in ("cat", "coffee"):
        with Image.open(photos / f"{name}.png") as photo:
            see_through = photo.convert("RGBA")
        see_through.putalpha(left_half(*see_through.size))
        see_through.save(photos / f"{name}.png")
    Image.new("L", (600, 400), 0).save(masks / "coffee.png")
    assert found(photos, masks) == {"cat.png": "cat.png", "coffee.png": "coffee.png"}
    samples = masked(photos, vae, masks, center_crop=True)
    by_name = {batch.photos[0]: batch.masks for batch in (samples.batch(position, 1, 1000) for position in range(4))}
    alpha, file = by_name["cat.png"], by_name["coffee.png"]
    assert alpha is not None and file is not None
    assert alpha[0, 0, :, :3].min() == 1 and alpha[0, 0, :, 5:].max() == 0
    assert file.max() == 0, "a file wins over the alpha"


def test_an_opaque_photo_with_alpha_has_no_mask(photos: Path) -> None:
    with Image.open(photos / "cat.png") as photo:
        photo.convert("RGBA").save(photos / "cat.png")
    assert found(photos) == {}


@pytest.mark.parametrize("buckets", [False, True])
def test_a_mask_is_cropped_and_flipped_as_its_photo(
    photos: Path, masks: Path, vae: AutoencoderKL, buckets: bool
) -> None:
    with Image.open(photos / "rocket.png") as photo:
        ramp = Image.linear_gradient("L").rotate(90).resize(photo.size)
    Image.merge("RGB", (ramp, ramp, ramp)).save(photos / "rocket.png")  # the photo shows its own mask
    ramp.save(masks / "rocket.png")
    samples = masked(photos, vae, masks, random_flip=True, cache_latents=False, aspect_ratio_buckets=buckets)
    index, seen = index_of(samples, "rocket.png"), set()
    for position in range(60):
        if samples.index(position) != index:
            continue
        crop, mask = samples.crop(index, position), samples.batch(position, 1, 1000).masks
        assert mask is not None
        shown = cropped(covering(photos / "rocket.png", (crop.height, crop.width)), crop).getchannel(0)
        means = np.asarray(shown, dtype=np.float32).reshape(crop.height // 8, 8, crop.width // 8, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(mask[0, 0].numpy(), means / 255, atol=0.02)
        seen.add(crop.flip)
    assert seen == {True, False}


def test_a_smaller_mask_of_the_same_shape_will_do(photos: Path, masks: Path, vae: AutoencoderKL) -> None:
    left_half(128, 128).save(masks / "astronaut.png")
    samples = masked(photos, vae, masks)
    position = next(place for place in range(4) if samples.examples[samples.index(place)].name == "astronaut.png")
    mask = samples.batch(position, 1, 1000).masks
    assert mask is not None
    assert mask[0, 0, :, :3].min() > 0.99 and mask[0, 0, :, 5:].max() < 0.01


def test_a_pixel_of_the_latents_is_the_mean_of_its_pixels(photos: Path, masks: Path, vae: AutoencoderKL) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 4, 8))
    mask.save(masks / "small.png")
    for photo in photos.iterdir():
        photo.unlink()
    Image.new("RGB", (64, 64), "teal").save(photos / "small.png")
    drawn = masked(photos, vae, masks).batch(0, 1, 1000).masks
    assert drawn is not None
    assert drawn[0, 0, 0, 0] == 0.5
    assert drawn.sum() == 0.5


def test_what_a_mask_file_has_transparent_is_left_out(photos: Path, masks: Path, vae: AutoencoderKL) -> None:
    cut_out = Image.new("RGBA", (451, 300), (255, 255, 255, 0))
    cut_out.paste((255, 255, 255, 255), (0, 0, 451, 150))
    cut_out.save(masks / "cat.png")
    samples = masked(photos, vae, masks)
    position = next(place for place in range(4) if samples.examples[samples.index(place)].name == "cat.png")
    mask = samples.batch(position, 1, 1000).masks
    assert mask is not None
    assert mask[0, 0, :3].min() == 1 and mask[0, 0, 5:].max() == 0


def test_class_images_are_learned_from_whole(photos: Path, masks: Path, vae: AutoencoderKL) -> None:
    for photo in photos.glob("*.png"):
        with Image.open(photo) as image:
            Image.new("L", image.size, 0).save(masks / photo.name)
    batch = masked(photos, vae, masks).batch(0, 1, 1000)
    both = with_class_images(batch, samples_of(photos, in_memory(vae)).batch(0, 2, 1000))
    assert both.masks is not None
    assert both.masks.mean(dim=(1, 2, 3)).tolist() == [0, 1, 1]


def test_masks_that_cannot_be_used_are_told_before_training(photos: Path, masks: Path, vae: AutoencoderKL) -> None:
    with pytest.raises(EngineError, match="There is no folder of masks"):
        masked(photos, vae, masks / "absent")
    (masks / "cat.png").write_bytes(b"no picture")
    with pytest.raises(EngineError, match=r"The mask cat\.png cannot be read"):
        masked(photos, vae, masks)
    Image.new("L", (300, 451)).save(masks / "cat.png")
    with pytest.raises(EngineError, match=r"The mask cat\.png is 300 x 451, and its photo 451 x 300"):
        masked(photos, vae, masks)
    Image.new("L", (451, 300)).save(masks / "cat.jpg")
    with pytest.raises(EngineError, match="are for the same photo"):
        masked(photos, vae, masks)
    masks.rename(photos / "masks")
    with pytest.raises(EngineError, match="would be trained on as photos"):
        masked(photos, vae, photos / "masks")
