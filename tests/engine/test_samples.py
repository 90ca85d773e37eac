"""Photos become samples: every draw a function of its position, every caption and time id with its own photo."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from curation import open_dataset, place_crops
from curation.photo import load_rgb
from engine.chance import generator, order
from engine.data.buckets import bucket_sizes, covering_size
from engine.data.latents import Posteriors, to_tensor
from engine.data.pixels import covering, cropped
from engine.data.samples import class_image_samples, with_class_images
from tests.engine.samples import RESOLUTION, config_of, in_memory, index_of, samples_of, tiny_vae


@pytest.fixture(scope="module")
def posteriors(tiny_model: Path) -> Posteriors:
    return in_memory(tiny_vae(tiny_model))


def test_photos_are_repeated_then_shuffled_anew_each_epoch(photos: Path, posteriors: Posteriors) -> None:
    samples = samples_of(photos, posteriors, repeats=3)
    epochs = [[samples.index(epoch * 12 + place) for place in range(12)] for epoch in range(2)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(list(range(4)) * 3)
    assert epochs[0] != epochs[1]
    assert any(set(epoch[start : start + 4]) != set(range(4)) for epoch in epochs for start in (0, 4, 8))


def test_a_sample_does_not_depend_on_its_batch(photos: Path, posteriors: Posteriors) -> None:
    together = samples_of(photos, posteriors).batch(6, 3, num_train_timesteps=1000, noise_offset=0.1)
    alone = [samples_of(photos, posteriors).batch(6 + place, 1, 1000, 0.1) for place in range(3)]
    assert together.photos == sum((batch.photos for batch in alone), ())
    for name in ("latents", "time_ids", "noise", "timesteps"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(batch, name) for batch in alone]))


def test_each_seed_draws_anew(photos: Path, posteriors: Posteriors) -> None:
    first, second = (samples_of(photos, posteriors, seed=seed).batch(0, 4, 1000) for seed in (0, 1))
    assert not torch.equal(first.noise, second.noise)
    assert not torch.equal(first.timesteps, second.timesteps)


def test_draws_for_different_purposes_are_independent() -> None:
    noise, latents = (torch.randn(4096, generator=generator(0, purpose, 7)) for purpose in ("noise", "latents"))
    assert abs(torch.corrcoef(torch.stack([noise, latents]))[0, 1].item()) < 0.06  # 4 standard errors
    assert order(0, "photo order", 0, 50) != order(0, "class image order", 0, 50)


def test_random_crops_lie_inside_and_are_drawn_anew_each_epoch(photos: Path, posteriors: Posteriors) -> None:
    samples = samples_of(photos, posteriors, cache_latents=False)
    index = index_of(samples, "rocket.png")  # 640 x 427
    crops = [samples.crop(index, position) for position in range(60)]
    assert {crop.top for crop in crops} == {0}
    assert min(crop.left for crop in crops) >= 0
    assert max(crop.left for crop in crops) <= round(640 * RESOLUTION / 427) - RESOLUTION
    assert len({crop.left for crop in crops}) > 10


def test_a_centre_crop_is_at_the_centre_and_flips_are_half(photos: Path, posteriors: Posteriors) -> None:
    samples = samples_of(photos, posteriors, center_crop=True, random_flip=True)
    index = index_of(samples, "rocket.png")
    crops = [samples.crop(index, position) for position in range(200)]
    assert {crop.left for crop in crops} == {(round(640 * RESOLUTION / 427) - RESOLUTION) // 2}
    assert 70 < sum(crop.flip for crop in crops) < 130  # 4 standard deviations around 100


def test_a_photo_whose_crop_was_placed_is_always_cropped_there(photos: Path, posteriors: Posteriors) -> None:
    place_crops(open_dataset(photos), {"rocket.png": (0.9, 0.5)})  # 640 x 427
    for drawing in ({}, {"cache_latents": False}, {"center_crop": True}):
        samples = samples_of(photos, posteriors, random_flip=True, **drawing)
        index = index_of(samples, "rocket.png")
        crops = [samples.crop(index, position) for position in range(40)]
        room = round(640 * RESOLUTION / 427) - RESOLUTION
        assert {(crop.top, crop.left) for crop in crops if not crop.flip} == {(0, room)}
        assert {(crop.top, crop.left) for crop in crops if crop.flip} == {(0, 0)}, "it was mirrored first"


def test_placing_one_crop_changes_no_other_photos_draws(photos: Path, posteriors: Posteriors) -> None:
    before = samples_of(photos, posteriors)
    place_crops(open_dataset(photos), {"rocket.png": (0.9, 0.5)})
    now = samples_of(photos, posteriors)
    index = index_of(now, "coffee.png")
    assert [now.crop(index, place) for place in range(20)] == [before.crop(index, place) for place in range(20)]


def test_time_ids_are_the_true_size_and_the_crop_that_was_taken(photos: Path, posteriors: Posteriors) -> None:
    samples = samples_of(photos, posteriors)
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


def test_sizes_that_bf16_cannot_hold_are_not_rounded(tmp_path: Path, posteriors: Posteriors) -> None:
    Image.new("RGB", (1001, 777), "teal").save(tmp_path / "odd.png")
    batch = samples_of(tmp_path, posteriors).batch(0, 1, 1000)
    assert batch.time_ids[0, :2].tolist() == [777.0, 1001.0]


def test_a_photo_taken_upright_is_measured_upright(photos: Path, posteriors: Posteriors) -> None:
    with Image.open(photos / "rocket.png") as photo:
        exif = Image.Exif()
        exif[0x0112] = 6  # stored on its side: 640 x 427 is shown 427 x 640
        photo.save(photos / "rocket.png", exif=exif)
    samples = samples_of(photos, posteriors)
    index = index_of(samples, "rocket.png")
    assert samples.time_ids(index, samples.crop(index, 0))[:2].tolist() == [640.0, 427.0]


def test_a_photo_is_encoded_upright_and_in_srgb(tmp_path: Path, photos: Path, posteriors: Posteriors) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    swapped = profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    exif = Image.Exif()
    exif[0x0112] = 6
    stored, shown = tmp_path / "stored", tmp_path / "shown"
    for folder in (stored, shown):
        folder.mkdir()
    with Image.open(photos / "rocket.png") as photo:
        photo.save(stored / "photo.png", exif=exif, icc_profile=swapped)
    load_rgb(stored / "photo.png").save(shown / "photo.png")
    ours, theirs = (samples_of(folder, posteriors, center_crop=True).batch(0, 1, 1000) for folder in (stored, shown))
    assert torch.equal(ours.latents, theirs.latents)
    assert torch.equal(ours.time_ids, theirs.time_ids)


def test_latents_are_what_the_vae_sees_in_the_crop(photos: Path, tiny_model: Path) -> None:
    vae = tiny_vae(tiny_model)
    samples = samples_of(photos, in_memory(vae))
    crop = samples.crop(1, 5)
    image = to_tensor(cropped(covering(samples.examples[1].path, (RESOLUTION, RESOLUTION)), crop))
    with torch.no_grad():
        posterior = vae.encode(image[None]).latent_dist  # type: ignore[union-attr]
    drawn = samples.latents(1, crop, 5) / vae.config["scaling_factor"]
    standard = (drawn - posterior.mean[0]) / posterior.std[0]
    assert standard.abs().max() < 6
    assert image.min() >= -1 and image.max() <= 1


def test_noise_offset_shifts_whole_channels(photos: Path, posteriors: Posteriors) -> None:
    samples = samples_of(photos, posteriors)
    plain, shifted = samples.batch(0, 1, 1000), samples.batch(0, 1, 1000, noise_offset=0.1)
    shift = (shifted.noise - plain.noise)[0]
    assert shift.std(dim=(1, 2)).max() < 1e-6
    assert 0 < shift.mean(dim=(1, 2)).abs().max() < 0.6


def test_class_images_follow_the_photos_each_with_its_own_caption_and_time_ids(
    photos: Path, posteriors: Posteriors
) -> None:
    instance = samples_of(photos, posteriors).batch(0, 2, 1000)
    for photo in photos.glob("*.png"):
        photo.with_suffix(".txt").write_text(f"a photo of a {photo.stem}")
    classes = samples_of(photos, posteriors, seed=5).batch(0, 2, 1000)
    both = with_class_images(instance, classes)
    assert both.prior_samples == 2
    assert both.photos == instance.photos + classes.photos
    assert both.captions == instance.captions + classes.captions
    for name in ("latents", "time_ids", "noise", "timesteps"):
        assert torch.equal(getattr(both, name)[:2], getattr(instance, name))
        assert torch.equal(getattr(both, name)[2:], getattr(classes, name))


def many_shapes(folder: Path) -> Path:
    """Eleven photos: tall, wide and square, as many of each as no batch size divides."""
    folder.mkdir()
    for number in range(11):
        size = [(120, 90), (90, 120), (100, 100), (300, 80)][number % 4]
        Image.effect_noise(size, 60).convert("RGB").save(folder / f"{number:02d}.png")
    return folder


def test_photos_of_a_micro_batch_share_the_shape_nearest_to_theirs(tmp_path: Path, posteriors: Posteriors) -> None:
    samples = samples_of(many_shapes(tmp_path / "many"), posteriors, batch_size=3, aspect_ratio_buckets=True)
    assert samples.length == 11
    shapes = set()
    for position in range(0, 3 * samples.length, 3):
        batch = samples.batch(position, 3, 1000)
        height, width = samples.size(position)
        assert batch.latents.shape == batch.noise.shape == (3, 4, height // 8, width // 8)
        assert {tuple(ids) for ids in batch.time_ids[:, 4:].tolist()} == {(height, width)}
        shapes.add((height, width))
    assert len(shapes) == 4
    assert shapes <= set(bucket_sizes(RESOLUTION))


@pytest.mark.parametrize("cache_latents", [True, False])
def test_half_a_micro_batch_draws_what_the_whole_one_drew(
    tmp_path: Path, posteriors: Posteriors, cache_latents: bool
) -> None:
    folder = many_shapes(tmp_path / "many")
    (folder / "00.txt").write_text("TOK, red, green, blue")
    drawn = {"random_flip": True, "shuffle_caption": True, "caption_dropout_rate": 0.3, "cache_latents": cache_latents}
    samples = samples_of(folder, posteriors, batch_size=4, aspect_ratio_buckets=True, repeats=2, **drawn)
    for position in range(0, 64, 4):
        whole = samples.batch(position, 4, 1000, 0.1)
        halves = [samples.batch(position + place, 2, 1000, 0.1) for place in (0, 2)]
        for name in ("photos", "captions"):
            assert getattr(whole, name) == getattr(halves[0], name) + getattr(halves[1], name)
        for name in ("latents", "time_ids", "noise", "timesteps"):
            assert torch.equal(getattr(whole, name), torch.cat([getattr(half, name) for half in halves]))


@given(
    size=st.tuples(st.integers(20, 400), st.integers(20, 400)),
    buckets=st.booleans(),
    center_crop=st.booleans(),
    cache_latents=st.booleans(),
    position=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_crop_lies_inside_its_photo(
    tmp_path: Path,
    posteriors: Posteriors,
    size: tuple[int, int],
    buckets: bool,
    center_crop: bool,
    cache_latents: bool,
    position: int,
) -> None:
    Image.new("RGB", size, "teal").save(tmp_path / "photo.png")
    data = {"center_crop": center_crop, "random_flip": True, "cache_latents": cache_latents}
    samples = samples_of(tmp_path, posteriors, aspect_ratio_buckets=buckets, **data)
    crop = samples.crop(0, position)
    height, width = covering_size((size[1], size[0]), (crop.height, crop.width))
    assert 0 <= crop.top <= height - crop.height
    assert 0 <= crop.left <= width - crop.width
    assert (crop.height, crop.width) == samples.size(position)
    if center_crop:
        assert abs(2 * crop.top - (height - crop.height)) <= 1
        assert abs(2 * crop.left - (width - crop.width)) <= 1


def test_crops_and_flips_are_the_same_for_the_same_seed_and_others_for_another(
    photos: Path, posteriors: Posteriors
) -> None:
    for cache_latents in (True, False):
        drawn = {"random_flip": True, "cache_latents": cache_latents}
        first, same, other = (samples_of(photos, posteriors, seed, **drawn) for seed in (0, 0, 1))
        index = index_of(first, "rocket.png")
        crops = [[samples.crop(index, position) for position in range(20)] for samples in (first, same, other)]
        assert crops[0] == crops[1]
        assert crops[0] != crops[2]


def test_class_images_take_the_shape_that_they_are_told_and_their_prompt_whole(
    tmp_path: Path, photos: Path, posteriors: Posteriors
) -> None:
    data = {
        "aspect_ratio_buckets": True,
        "repeats": 3,
        "caption_dropout_rate": 1.0,
        "shuffle_caption": True,
    }
    samples = samples_of(many_shapes(tmp_path / "many"), posteriors, batch_size=2, **data)
    class_images = class_image_samples(
        samples_of(photos, posteriors).examples, config_of(photos, data=data), posteriors
    )
    assert class_images.length == 4
    assert class_images.captions() == ("a photo of TOK",)
    for position in range(0, 20, 2):
        instance = samples.batch(position, 2, 1000)
        shape = samples.size(position)
        both = with_class_images(instance, class_images.batch(position, 2, 1000, shape=shape))
        assert both.latents.shape == (4, 4, shape[0] // 8, shape[1] // 8)
        assert both.captions == ("", "", "a photo of TOK", "a photo of TOK")
        assert both.time_ids[2, 4:].tolist() == list(shape)


def test_captions_that_can_be_drawn_are_listed_where_they_are_few(photos: Path, posteriors: Posteriors) -> None:
    (photos / "cat.txt").write_text("TOK, asleep, indoors")
    whole = ("TOK, asleep, indoors", "a photo of TOK")
    assert samples_of(photos, posteriors).captions() == whole
    assert samples_of(photos, posteriors, caption_dropout_rate=0.1).captions() == ("", *whole)
    assert samples_of(photos, posteriors, shuffle_caption=True).captions() is None


def test_captions_are_drawn_for_the_batch_and_kept_in_the_examples(photos: Path, posteriors: Posteriors) -> None:
    for photo in photos.glob("*.png"):
        photo.with_suffix(".txt").write_text(f"TOK, {photo.stem}, indoors, at night")
    samples = samples_of(photos, posteriors, shuffle_caption=True, caption_dropout_rate=0.5)
    drawn = {caption for position in range(40) for caption in samples.batch(position, 1, 1000).captions}
    assert "" in drawn
    assert len(drawn) > 5
    assert all(caption.startswith("TOK, ") for caption in drawn - {""})
    for position in range(8):
        [name], [caption] = (getattr(samples.batch(position, 1, 1000), what) for what in ("photos", "captions"))
        assert caption == "" or Path(name).stem in caption
    assert {example.caption.count(",") for example in samples.examples} == {3}
