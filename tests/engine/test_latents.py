"""Latents are computed once: found again by every later run, made anew when damaged, and always with their photo."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from engine.data.latents import Posteriors
from engine.data.samples import Batch, Samples
from engine.errors import EngineError
from tests.engine.samples import in_memory, index_of, samples_of, tiny_vae

POSITIONS = range(24)


@pytest.fixture(scope="module")
def vae(tiny_model: Path) -> AutoencoderKL:
    return tiny_vae(tiny_model)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "runs" / ".cache" / "latents"


class CountedVae:
    """Loads the VAE, and counts how often it is asked for."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae, self.times = vae, 0

    def __call__(self) -> AutoencoderKL:
        self.times += 1
        return self.vae


def not_loaded() -> AutoencoderKL:
    raise AssertionError("the VAE was loaded")


def no_warning(message: str) -> None:
    raise AssertionError(message)


def on_disk(vae: AutoencoderKL, folder: Path, identity: str = "tiny", dtype: torch.dtype = torch.float32):
    """Posteriors kept in `folder`, and how often the VAE was asked for."""
    counted = CountedVae(vae)
    return Posteriors(counted, identity, dtype, folder, no_warning), counted


def cache_all(samples: Samples) -> list[tuple[int, int]]:
    return list(samples.cache_latents(POSITIONS))


def batches(samples: Samples) -> list[Batch]:
    return [samples.batch(position, 1, 1000) for position in POSITIONS]


def assert_equal(ours: list[Batch], theirs: list[Batch]) -> None:
    for first, second in zip(ours, theirs, strict=True):
        assert (first.photos, first.captions) == (second.photos, second.captions)
        for name in ("latents", "time_ids", "noise", "timesteps"):
            assert torch.equal(getattr(first, name), getattr(second, name))


def test_a_second_run_starts_without_loading_the_vae(photos: Path, vae: AutoencoderKL, cache: Path) -> None:
    drawn = {"random_flip": True, "aspect_ratio_buckets": True}
    first = samples_of(photos, on_disk(vae, cache)[0], **drawn)
    progress = cache_all(first)
    assert progress == [(done, len(progress)) for done in range(1, len(progress) + 1)]
    second = samples_of(photos, Posteriors(not_loaded, "tiny", torch.float32, cache, no_warning), **drawn)
    assert cache_all(second) == progress
    assert_equal(batches(first), batches(second))


def test_latents_cached_by_step_would_be_another_photos_once_the_order_is_shuffled_anew(
    photos: Path, vae: AutoencoderKL, cache: Path
) -> None:
    for photo in photos.glob("*.png"):
        photo.with_suffix(".txt").write_text(f"TOK, {photo.stem}")
    drawn = {"center_crop": True, "random_flip": True}
    samples = samples_of(photos, on_disk(vae, cache)[0], **drawn)
    cache_all(samples)
    fresh = samples_of(photos, in_memory(vae), cache_latents=False, **drawn)
    epochs = [[samples.index(epoch * 4 + place) for place in range(4)] for epoch in range(6)]
    assert len({tuple(epoch) for epoch in epochs}) > 1, "the order does change"
    for batch, expected in zip(batches(samples), batches(fresh), strict=True):
        assert batch.captions == (f"TOK, {Path(batch.photos[0]).stem}",)
        assert torch.equal(batch.latents, expected.latents)
        assert torch.equal(batch.time_ids, expected.time_ids)


def test_each_photo_has_so_many_crops_and_each_flipped(photos: Path, vae: AutoencoderKL, cache: Path) -> None:
    samples = samples_of(photos, on_disk(vae, cache)[0], crop_variants=3, random_flip=True)
    index = index_of(samples, "rocket.png")
    crops = {samples.crop(index, position) for position in range(300)}
    assert len(crops) == 6
    assert len({(crop.top, crop.left) for crop in crops}) == 3


def test_a_photo_that_was_added_or_renamed_costs_only_itself(
    photos: Path, vae: AutoencoderKL, cache: Path, tmp_path: Path
) -> None:
    shutil.move(photos / "astronaut.png", tmp_path / "astronaut.png")
    cache_all(samples_of(photos, on_disk(vae, cache)[0], center_crop=True))
    (photos / "cat.png").rename(photos / "tom.png")
    shutil.move(tmp_path / "astronaut.png", photos / "astronaut.png")
    posteriors, counted = on_disk(vae, cache)
    cache_all(samples_of(photos, posteriors, center_crop=True))
    assert counted.times == 1


@pytest.mark.parametrize("other", ["identity", "dtype", "resolution", "photo"])
def test_what_latents_depend_on_is_part_of_their_key(photos: Path, vae: AutoencoderKL, cache: Path, other: str) -> None:
    cache_all(samples_of(photos, on_disk(vae, cache)[0], center_crop=True))
    if other == "photo":
        shutil.copy(photos / "cat.png", photos / "rocket.png")
        shutil.copy(photos / "coffee.png", photos / "cat.png")
        shutil.copy(photos / "astronaut.png", photos / "coffee.png")
        (photos / "astronaut.png").write_bytes((photos / "rocket.png").read_bytes() + b" ")
    identity = "another" if other == "identity" else "tiny"
    dtype = torch.bfloat16 if other == "dtype" else torch.float32
    posteriors, counted = on_disk(vae, cache, identity, dtype)
    samples = samples_of(photos, posteriors, center_crop=True, resolution=72 if other == "resolution" else 64)
    cache_all(samples)
    assert counted.times == (1 if other == "photo" else 4), "of the photos, three changed places and one is new"


@pytest.mark.parametrize("damage", ["cut", "bits", "empty", "other tensors"])
def test_a_damaged_file_is_made_anew(photos: Path, vae: AutoencoderKL, cache: Path, damage: str) -> None:
    first = samples_of(photos, on_disk(vae, cache)[0], center_crop=True)
    cache_all(first)
    file = sorted(cache.iterdir())[1]
    whole = file.read_bytes()
    damaged = {
        "cut": whole[:-9],
        "bits": whole[:-9] + bytes([whole[-9] ^ 64]) + whole[-8:],
        "empty": b"",
        "other tensors": whole.replace(b'"mean"', b'"nean"'),
    }
    file.write_bytes(damaged[damage])
    posteriors, counted = on_disk(vae, cache)
    second = samples_of(photos, posteriors, center_crop=True)
    assert_equal(batches(second), batches(first))
    assert counted.times == 1
    assert file.read_bytes() == whole
    assert [path.suffix for path in cache.iterdir()] == [".safetensors"] * 4


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 bytes: the system refuses the write, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_one_warning_and_not_the_end(photos: Path, vae: AutoencoderKL, cache: Path) -> None:
    warnings: list[str] = []
    posteriors = Posteriors(lambda: vae, "tiny", torch.float32, cache, warnings.append)
    samples = samples_of(photos, posteriors)
    assert posteriors.are_kept
    with full_disk():
        ours = batches(samples)
    assert not posteriors.are_kept, "the VAE will be needed again"
    assert len(warnings) == 1
    assert str(cache) in warnings[0]
    assert not list(cache.iterdir()), "no part of a file is left"
    assert_equal(ours, batches(samples_of(photos, Posteriors(lambda: vae, "tiny", torch.float32, None, no_warning))))


def test_memory_stays_bounded_and_what_left_it_is_read_again(
    photos: Path, vae: AutoencoderKL, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.latents.KEPT_POSTERIORS", 1)
    posteriors, counted = on_disk(vae, cache)
    samples = samples_of(photos, posteriors, center_crop=True)
    cache_all(samples)
    batches(samples)
    assert counted.times == 4
    shutil.rmtree(cache)
    cache_all(samples)
    assert counted.times == 8, "no more than one was in memory"


def test_each_step_draws_from_the_posterior_that_is_kept(photos: Path, vae: AutoencoderKL, cache: Path) -> None:
    samples = samples_of(photos, on_disk(vae, cache)[0], center_crop=True)
    crop = samples.crop(0, 0)
    assert not torch.equal(samples.latents(0, crop, 0), samples.latents(0, crop, 4))


def test_without_the_cache_nothing_is_written_and_crops_are_drawn_each_time(
    photos: Path, vae: AutoencoderKL, cache: Path
) -> None:
    samples = samples_of(photos, on_disk(vae, cache)[0], cache_latents=False)
    assert cache_all(samples) == []
    batches(samples)
    assert not cache.exists()
    index = index_of(samples, "rocket.png")
    assert len({samples.crop(index, position) for position in range(60)}) > 10


def test_a_vae_that_overflows_names_the_photo_and_the_remedy(photos: Path, tiny_model: Path, cache: Path) -> None:
    broken = tiny_vae(tiny_model)
    with torch.no_grad():
        next(broken.encoder.parameters()).fill_(torch.inf)
    samples = samples_of(photos, on_disk(broken, cache)[0])
    with pytest.raises(EngineError, match=r"\.png: The VAE gives no finite latents") as raised:
        samples.batch(0, 1, 1000)
    assert "sdxl-vae-fp16" in raised.value.remedy
    assert not cache.exists()
