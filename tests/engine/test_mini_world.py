"""The small world: what is kept from pre-training, and that words and drawings tell of the same facts."""

import random
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.mini.drawing import draw
from engine.mini.world import (
    BACKGROUNDS,
    COLOURS,
    MARKED,
    MASCOT,
    MONSTER,
    PLACES,
    SCENERY,
    SHAPES,
    STYLES,
    Scene,
    Thing,
    caption,
    held_out,
    random_scene,
    resembles_mascot,
    seen_scene,
    unseen_colour,
    unseen_place,
    unseen_style,
)

SEEDS = st.integers(0, 2**32 - 1)
TRAITS = ("head", "ears", "eyes", "marking")
ARTICLES = {"a", "an"}  # they follow the next word


def words_of_many(next_scene: Callable[[random.Random], Scene]) -> set[str]:
    draws = random.Random(0)
    return {word for _ in range(4000) for word in caption(next_scene(draws)).split()}


@given(SEEDS)
def test_nothing_held_out_and_nobody_like_the_mascot_is_seen(seed: int) -> None:
    scene = seen_scene(random.Random(seed))
    assert not held_out(scene)
    for thing in scene.things:
        assert thing.colour != MASCOT.colour
        if individual := thing.individual:
            same = [getattr(individual, trait) == getattr(MASCOT, trait) for trait in TRAITS]
            assert sum(same) <= 2
            assert not resembles_mascot(individual)


def test_an_eighth_of_the_pairs_with_a_shape_and_a_tenth_of_the_places_are_held_out() -> None:
    assert np.mean([unseen_colour(*pair) for pair in product(SHAPES, COLOURS)]) == 1 / 8
    assert np.mean([unseen_style(*pair) for pair in product(SHAPES, STYLES)]) == 1 / 8
    assert np.mean([unseen_place(*pair) for pair in product(BACKGROUNDS, PLACES)]) == pytest.approx(0.1, abs=0.01)


def test_a_scene_is_held_out_for_one_unseen_pair() -> None:
    draws = random.Random(0)
    for scene in (random_scene(draws) for _ in range(500)):
        pairs = [
            unseen_colour(thing.kind, thing.colour)
            + unseen_style(thing.kind, scene.style)
            + unseen_place(scene.background, thing.place)
            for thing in scene.things
        ]
        assert held_out(scene) == any(pairs)


def test_every_word_of_the_world_is_seen() -> None:
    assert words_of_many(seen_scene) == words_of_many(random_scene)


def test_every_trait_of_the_mascot_is_seen_with_others() -> None:
    draws = random.Random(0)
    individuals = [
        thing.individual for _ in range(2000) for thing in seen_scene(draws).things if thing.individual is not None
    ]
    for trait in ("head", "ears", "eyes", "marking", "mouth", "accent"):
        assert getattr(MASCOT, trait) in {getattr(individual, trait) for individual in individuals}


@given(SEEDS, st.integers(32, 200), st.integers(32, 200))
def test_a_scene_is_drawn_the_same_twice_and_in_the_size_asked_for(seed: int, width: int, height: int) -> None:
    scene = random_scene(random.Random(seed))
    picture = draw(scene, width, height)
    assert (picture.mode, picture.size) == ("RGB", (width, height))
    assert picture.tobytes() == draw(scene, width, height).tobytes()


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (
            Scene("photo", "beach", (Thing("heart", "orange", size="large", place="left"),)),
            "a photo of a large orange heart on the left on the beach",
        ),
        (
            Scene("cartoon", "blue", (Thing("star", "orange", "dotted", place="top"),), striped_background=True),
            "a cartoon of a dotted orange star at the top on a striped blue background",
        ),
        (
            Scene("pixels", "orange", (Thing("ring", "red", place="left"), Thing("moon", "blue", place="right"))),
            "pixel art of a red ring on the left and a blue moon on the right on an orange background",
        ),
        (
            Scene("photo", "night", (Thing(MONSTER, MASCOT.colour, place="middle", individual=MASCOT),)),
            "a photo of a spotted teal monster with long ears and one eye in the middle at night",
        ),
    ],
)
def test_captions_read_as_people_write_them(scene: Scene, words: str) -> None:
    assert caption(scene) == words


@given(SEEDS)
def test_a_caption_with_everything_said_names_each_fact(seed: int) -> None:
    scene = random_scene(random.Random(seed))
    said = caption(scene)
    assert said.startswith(STYLES[scene.style])
    assert said.endswith(SCENERY.get(scene.background, f"{scene.background} background"))
    assert ("striped " + scene.background in said) == scene.striped_background
    parts = said.removeprefix(STYLES[scene.style]).split(" and a")  # "and an orange ..." too
    parts = parts if len(scene.things) > 1 else [said]
    for thing, part in zip(scene.things, parts, strict=True):
        wanted = [thing.colour, thing.kind, PLACES[thing.place]]
        wanted += [thing.size] if thing.size != "medium" else []
        wanted += [thing.texture] if thing.texture != "plain" else []
        if individual := thing.individual:
            wanted += [MARKED[individual.marking]] if individual.marking in MARKED else []
            wanted += [individual.ears, f"{individual.eyes} eye"]
        assert not [words for words in wanted if words not in part]


@given(SEEDS, SEEDS)
def test_leaving_out_only_takes_words_away(scene_seed: int, seed: int) -> None:
    scene = random_scene(random.Random(scene_seed))
    everything = iter([word for word in caption(scene).split() if word not in ARTICLES])
    said = [word for word in caption(scene, random.Random(seed)).split() if word not in ARTICLES]
    assert said and all(word in everything for word in said)  # in the same order: the iterator only moves on
