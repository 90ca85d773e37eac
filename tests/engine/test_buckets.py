"""Shapes that photos are cropped to: SDXL's own at 1024 px, and at any size shapes that cover, fit and waste little."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.needs import WIDEST, TrainingNeeds
from engine.data.buckets import (
    MIDDLE,
    Crop,
    bucket_sizes,
    covering_size,
    crop_around,
    crop_sizes,
    nearest_size,
    time_ids,
)

# (height, width) from tall to wide: Podell et al., 2023, appendix I; the wide ones are the tall ones turned.
TALL = [
    *[(2048, 512), (1984, 512), (1920, 512), (1856, 512), (1792, 576), (1728, 576), (1664, 576), (1600, 640)],
    *[(1536, 640), (1472, 704), (1408, 704), (1344, 704), (1344, 768), (1280, 768), (1216, 832), (1152, 832)],
    *[(1152, 896), (1088, 896), (1088, 960), (1024, 960)],
]
RESOLUTIONS = st.integers(8, 256).map(lambda eighths: eighths * 8)
SIDES = st.integers(1, 8000)
SHARES = st.floats(0, 1)


def test_at_1024_the_shapes_are_those_that_sdxl_was_trained_on() -> None:
    wide = [(width, height) for height, width in reversed(TALL)]
    assert list(bucket_sizes(1024)) == [*TALL, (1024, 1024), *wide]


@given(RESOLUTIONS)
def test_shapes_have_about_the_squares_area_and_whole_latents(resolution: int) -> None:
    sizes = bucket_sizes(resolution)
    assert (resolution, resolution) in sizes
    assert len(set(sizes)) == len(sizes)
    for height, width in sizes:
        assert 0.9 * resolution**2 <= height * width <= resolution**2
        assert max(height, width) <= 4 * min(height, width)
        assert height % 8 == width % 8 == 0


@pytest.mark.parametrize("resolution", [256, 512, 768, 1024])
@given(st.floats(1 / WIDEST, WIDEST))
def test_what_lint_takes_for_the_crop_is_what_the_nearest_shape_holds(resolution: int, aspect: float) -> None:
    photo = (10_000, round(10_000 * aspect))
    size = nearest_size(photo, bucket_sizes(resolution))
    assert math.prod(size) >= 0.92 * math.prod(covering_size(photo, size))
    assert TrainingNeeds(aspect_ratio_buckets=True).crop_of(*photo) == photo


@pytest.mark.parametrize(("resolution", "step"), [(64, 8), (512, 32), (768, 48), (1024, 64), (2048, 64)])
def test_sides_are_multiples_of_sdxls_64_scaled(resolution: int, step: int) -> None:
    assert all(side % step == 0 for size in bucket_sizes(resolution) for side in size)


@given(SIDES, SIDES, RESOLUTIONS)
def test_the_nearest_shape_is_off_by_the_least_factor(height: int, width: int, resolution: int) -> None:
    def factor(size: tuple[int, int]) -> float:
        ratio = (size[1] / size[0]) / (width / height)
        return max(ratio, 1 / ratio)

    sizes = bucket_sizes(resolution)
    assert factor(nearest_size((height, width), sizes)) == pytest.approx(min(map(factor, sizes)), rel=1e-9)


def test_a_photo_and_the_same_photo_turned_get_a_shape_and_the_same_turned() -> None:
    sizes = bucket_sizes(1024)
    for height, width in [(3000, 4000), (1080, 1920), (427, 640), (1000, 1001)]:
        upright, turned = nearest_size((height, width), sizes), nearest_size((width, height), sizes)
        assert upright == turned[::-1]


@given(SIDES, SIDES, RESOLUTIONS)
@example(1, 8000, 64)
def test_the_resized_photo_covers_its_shape_and_touches_two_sides(height: int, width: int, resolution: int) -> None:
    size = nearest_size((height, width), bucket_sizes(resolution))
    covering = covering_size((height, width), size)
    assert covering[0] >= size[0] and covering[1] >= size[1]
    assert covering[0] == size[0] or covering[1] == size[1]


@given(st.integers(100, 8000), st.integers(100, 8000), RESOLUTIONS)
def test_the_resized_photo_keeps_its_aspect_ratio(height: int, width: int, resolution: int) -> None:
    resized = covering_size((height, width), (resolution, resolution))
    scale = max(resolution / height, resolution / width)
    assert math.dist(resized, (height * scale, width * scale)) < 1


@given(SIDES, SIDES, RESOLUTIONS, st.booleans(), st.tuples(SHARES, SHARES))
def test_a_placed_crop_lies_inside_and_no_other_is_nearer_to_its_focus(
    height: int, width: int, resolution: int, buckets: bool, focus: tuple[float, float]
) -> None:
    size = nearest_size((height, width), crop_sizes(resolution, buckets))
    covering = covering_size((height, width), size)
    crop = crop_around((height, width), size, focus)
    for offset, length, whole, share in (
        (crop.left, size[1], covering[1], focus[0]),
        (crop.top, size[0], covering[0], focus[1]),
    ):
        assert 0 <= offset <= whole - length
        apart = [abs(place + length / 2 - share * whole) for place in (offset - 1, offset, offset + 1)]
        assert offset == 0 or apart[0] >= apart[1] - 1e-6
        assert offset == whole - length or apart[2] >= apart[1] - 1e-6


@given(SIDES, SIDES, RESOLUTIONS)
def test_a_crop_around_the_middle_leaves_as_much_on_both_sides(height: int, width: int, resolution: int) -> None:
    size = (resolution, resolution)
    covering = covering_size((height, width), size)
    crop = crop_around((height, width), size, MIDDLE)
    assert (crop.top, crop.left) == ((covering[0] - resolution) // 2, (covering[1] - resolution) // 2)


@given(st.integers(0, 100), st.booleans())
def test_a_mirrored_crop_holds_the_same_part_of_the_photo(percent: int, tall: bool) -> None:
    photo, size = ((1500, 1000) if tall else (1000, 1500)), (512, 512)
    focus = (percent / 100, percent / 100)
    plain, mirrored = crop_around(photo, size, focus), crop_around(photo, size, focus, flip=True)
    width = covering_size(photo, size)[1]
    assert mirrored.flip and not plain.flip
    assert mirrored.top == plain.top
    assert abs((width - mirrored.left - size[1]) - plain.left) <= 1  # by one pixel where two are as near


def test_time_ids_are_the_photos_size_the_crops_place_and_its_shape() -> None:
    assert time_ids((3024, 4032), Crop(top=0, left=67, height=896, width=1152)) == (3024, 4032, 0, 67, 896, 1152)
