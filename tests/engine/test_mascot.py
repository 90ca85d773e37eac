"""Photos of the mascot: varied, told of without its traits, and in places that pre-training knows."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation.dataset import open_dataset
from engine.mini.mascot import NEW, SHOWN, mascot_scene, standard_scenes, trigger_caption, where, write_photos
from engine.mini.world import BACKGROUNDS, MASCOT, caption, held_out, seen_scene

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(0, 24))
def test_only_the_individual_is_new_in_the_standard_scenes(seed: int, count: int) -> None:
    scenes = standard_scenes(count, seed)
    assert len(scenes) == count and scenes == standard_scenes(count, seed)
    assert not any(held_out(scene) for scene in scenes)
    assert {scene.things[0].individual for scene in scenes} <= {MASCOT}


def test_backgrounds_and_places_vary_and_some_backgrounds_are_kept_for_asking() -> None:
    scenes = standard_scenes(16)
    assert Counter(scene.background for scene in scenes) == Counter(2 * SHOWN)
    assert set(Counter(scene.things[0].place for scene in scenes).values()) <= {2, 3, 4, 5}
    assert set(SHOWN) | set(NEW) == set(BACKGROUNDS) - {MASCOT.accent}
    assert not set(SHOWN) & set(NEW)


def test_a_caption_tells_of_everything_but_the_mascots_own_traits() -> None:
    assert trigger_caption(mascot_scene("photo", "beach", place="left")) == (
        "a photo of TOK monster on the left on the beach"
    )
    assert trigger_caption(mascot_scene("pixels", "white", size="large", place="top")) == (
        "pixel art of TOK monster at the top on a white background"
    )


@given(SEEDS)
def test_backgrounds_are_named_in_the_worlds_words(seed: int) -> None:
    scene = replace(seen_scene(random.Random(seed)), striped_background=False)
    assert caption(scene).endswith(where(scene.background))


def test_photos_are_read_with_their_captions(tmp_path: Path) -> None:
    scenes = standard_scenes(3)
    write_photos(tmp_path, scenes, ["first", "second", "third"], size=(160, 120))
    photos = open_dataset(tmp_path).trainable
    assert [photo.caption for photo in photos] == ["first", "second", "third"]
    with Image.open(tmp_path / photos[0].name) as image:
        assert image.size == (160, 120)
