"""Photos become samples: every draw a function of its position, every caption and time id with its own photo."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.dataset import exclude, open_dataset
from engine.chance import generator, order
from engine.config import compose
from engine.data.buckets import covering_size
from engine.data.examples import read_examples
from engine.data.latents import Posteriors, to_tensor
from engine.data.pixels import covering, cropped
from engine.data.samples import Samples, with_class_images
from engine.errors import EngineError
from engine.settings import DataSection

RESOLUTION = 64


@pytest.fixture(scope="module")
def vae(tiny_model: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(tiny_model, subfolder="vae", torch_dtype=torch.float32)


def samples_of(photos: Path, vae: AutoencoderKL, repeats: int = 1, seed: int = 0, **data: Any) -> Samples:
    flags = {"data": {"instance_data_dir": str(photos)}, "concept": {"instance_prompt": "a photo of TOK"}}
    examples = read_examples(compose(flags=flags).config)
    settings = DataSection(resolution=RESOLUTION, repeats=repeats, **data)
    return Samples(examples, settings, Posteriors(lambda: vae, "tiny", vae.dtype, None, print), seed)


def test_a_photo_has_its_own_caption_or_else_the_instance_prompt(photos: Path) -> None:
    (photos / "cat.txt").write_text("TOK, asleep")
    flags = {"data": {"instance_data_dir": str(photos)}, "concept": {"instance_prompt": "a photo of TOK"}}
    captions = {example.name: example.caption for example in read_examples(compose(flags=flags).config)}
    assert captions["cat.png"] == "TOK, asleep"
    assert captions["coffee.png"] == "a photo of TOK"


def test_a_photo_without_any_caption_is_named(photos: Path) -> None:
    with pytest.raises(EngineError, match=r"astronaut\.png has no caption"):
        read_examples(compose(flags={"data": {"instance_data_dir": str(photos)}}).config)


def test_an_excluded_photo_is_left_out(photos: Path, vae: AutoencoderKL) -> None:
    exclude(open_dataset(photos), {"cat.png": "too cute"})
    assert "cat.png" not in {example.name for example in samples_of(photos, vae).examples}


def test_photos_are_repeated_then_shuffled_anew_each_epoch(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae, repeats=3)
    epochs = [[samples.index(epoch * 12 + place) for place in range(12)] for epoch in range(2)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(list(range(4)) * 3)
    assert epochs[0] != epochs[1]
    assert any(set(epoch[start : start + 4]) != set(range(4)) for epoch in epochs for start in (0, 4, 8))


def test_a_sample_does_not_depend_on_its_batch(photos: Path, vae: AutoencoderKL) -> None:
    together = samples_of(photos, vae).batch(6, 3, num_train_timesteps=1000, noise_offset=0.1)
    alone = [samples_of(photos, vae).batch(6 + place, 1, 1000, 0.1) for place in range(3)]
    assert together.photos == sum((batch.photos for batch in alone), ())
    for name in ("latents", "time_ids", "noise", "timesteps"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(batch, name) for batch in alone]))


def test_each_seed_draws_anew(photos: Path, vae: AutoencoderKL) -> None:
    first, second = (samples_of(photos, vae, seed=seed).batch(0, 4, 1000) for seed in (0, 1))
    assert not torch.equal(first.noise, second.noise)
    assert not torch.equal(first.timesteps, second.timesteps)


def test_draws_for_different_purposes_are_independent() -> None:
    noise, latents = (torch.randn(4096, generator=generator(0, purpose, 7)) for purpose in ("noise", "latents"))
    assert abs(torch.corrcoef(torch.stack([noise, latents]))[0, 1].item()) < 0.06  # 4 standard errors
    assert order(0, "photo order", 0, 50) != order(0, "class image order", 0, 50)


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), resolution=st.sampled_from([64, 512, 1024]))
def test_the_short_side_becomes_the_resolution_and_the_shape_stays(width: int, height: int, resolution: int) -> None:
    if max(width, height) > 8 * min(width, height):
        return
    resized_height, resized_width = covering_size((height, width), (resolution, resolution))
    assert min(resized_height, resized_width) == resolution
    assert abs(resized_width * height - resized_height * width) <= max(width, height)


def test_random_crops_lie_inside_and_are_drawn_anew_each_epoch(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae, cache_latents=False)
    index = next(i for i, example in enumerate(samples.examples) if example.name == "rocket.png")  # 640 x 427
    crops = [samples.crop(index, position) for position in range(60)]
    assert {crop.top for crop in crops} == {0}
    assert min(crop.left for crop in crops) >= 0
    assert max(crop.left for crop in crops) <= round(640 * RESOLUTION / 427) - RESOLUTION
    assert len({crop.left for crop in crops}) > 10


def test_a_centre_crop_is_at_the_centre_and_flips_are_half(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae, center_crop=True, random_flip=True)
    index = next(i for i, example in enumerate(samples.examples) if example.name == "rocket.png")
    crops = [samples.crop(index, position) for position in range(200)]
    assert {crop.left for crop in crops} == {(round(640 * RESOLUTION / 427) - RESOLUTION) // 2}
    assert 70 < sum(crop.flip for crop in crops) < 130  # 4 standard deviations around 100


def test_time_ids_are_the_true_size_and_the_crop_that_was_taken(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae)
    for position in range(8):
        batch = samples.batch(position, 1, 1000)
        index = samples.index(position)
        with Image.open(samples.examples[index].path) as photo:
            width, height = photo.size
        resized = covering(samples.examples[index].path, (RESOLUTION, RESOLUTION))
        assert batch.time_ids.dtype == torch.float32
        original_height, original_width, top, left, *target = batch.time_ids[0].int().tolist()
        assert (original_height, original_width, *target) == (height, width, RESOLUTION, RESOLUTION)
        square = resized.crop((left, top, left + RESOLUTION, top + RESOLUTION))
        assert cropped(resized, samples.crop(index, position)) == square


def test_sizes_that_bf16_cannot_hold_are_not_rounded(tmp_path: Path, vae: AutoencoderKL) -> None:
    Image.new("RGB", (1001, 777), "teal").save(tmp_path / "odd.png")
    batch = samples_of(tmp_path, vae).batch(0, 1, 1000)
    assert batch.time_ids[0, :2].tolist() == [777.0, 1001.0]


def test_a_photo_taken_upright_is_measured_upright(photos: Path, vae: AutoencoderKL) -> None:
    with Image.open(photos / "rocket.png") as photo:
        exif = Image.Exif()
        exif[0x0112] = 6  # stored on its side: 640 x 427 is shown 427 x 640
        photo.save(photos / "rocket.png", exif=exif)
    samples = samples_of(photos, vae)
    index = next(i for i, example in enumerate(samples.examples) if example.name == "rocket.png")
    assert samples.time_ids(index, samples.crop(index, 0))[:2].tolist() == [640.0, 427.0]


def test_cached_latents_stay_with_their_photo_whatever_the_order(
    photos: Path, vae: AutoencoderKL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.samples.KEPT_PHOTOS", 1)
    cached, fresh = (samples_of(photos, vae, center_crop=True) for _ in range(2))
    assert list(cached.cache_latents(range(8))) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for path in photos.iterdir():
        path.rename(path.with_suffix(".moved"))  # a cached sample needs no file
    cached_batches = [cached.batch(position, 2, 1000) for position in range(0, 8, 2)]
    for path in photos.iterdir():
        path.rename(path.with_suffix(".png"))
    for position, batch in zip(range(0, 8, 2), cached_batches, strict=True):
        expected = fresh.batch(position, 2, 1000)
        assert batch.captions == expected.captions
        assert torch.equal(batch.latents, expected.latents)
        assert torch.equal(batch.time_ids, expected.time_ids)


def test_cached_latents_are_still_sampled_each_time(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae, center_crop=True)
    crop = samples.crop(0, 0)
    assert not torch.equal(samples.latents(0, crop, 0), samples.latents(0, crop, 4))


def test_drawn_crops_are_not_cached(photos: Path, vae: AutoencoderKL) -> None:
    assert list(samples_of(photos, vae, cache_latents=False).cache_latents(range(8))) == []


def test_latents_are_what_the_vae_sees_in_the_crop(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae)
    crop = samples.crop(1, 5)
    image = to_tensor(cropped(covering(samples.examples[1].path, (RESOLUTION, RESOLUTION)), crop))
    with torch.no_grad():
        posterior = vae.encode(image[None]).latent_dist  # type: ignore[union-attr]
    drawn = samples.latents(1, crop, 5) / vae.config["scaling_factor"]
    standard = (drawn - posterior.mean[0]) / posterior.std[0]
    assert standard.abs().max() < 6
    assert image.min() >= -1 and image.max() <= 1


def test_noise_offset_shifts_whole_channels(photos: Path, vae: AutoencoderKL) -> None:
    samples = samples_of(photos, vae)
    plain, shifted = samples.batch(0, 1, 1000), samples.batch(0, 1, 1000, noise_offset=0.1)
    shift = (shifted.noise - plain.noise)[0]
    assert shift.std(dim=(1, 2)).max() < 1e-6
    assert 0 < shift.mean(dim=(1, 2)).abs().max() < 0.6


def test_class_images_follow_the_photos_each_with_its_own_caption_and_time_ids(
    photos: Path, vae: AutoencoderKL
) -> None:
    instance = samples_of(photos, vae).batch(0, 2, 1000)
    for photo in photos.glob("*.png"):
        photo.with_suffix(".txt").write_text(f"a photo of a {photo.stem}")
    classes = samples_of(photos, vae, seed=5).batch(0, 2, 1000)
    both = with_class_images(instance, classes)
    assert both.prior_samples == 2
    assert both.photos == instance.photos + classes.photos
    assert both.captions == instance.captions + classes.captions
    for name in ("latents", "time_ids", "noise", "timesteps"):
        assert torch.equal(getattr(both, name)[:2], getattr(instance, name))
        assert torch.equal(getattr(both, name)[2:], getattr(classes, name))
