"""The report of how well a model paints: what counts as asked, as right and as new, with real pictures."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from hypothesis import given
from hypothesis import strategies as st

from engine.mini.drawing import draw
from engine.mini.judge import load_judge
from engine.mini.quality import (
    AIMS,
    COLUMNS,
    DRAWN,
    HELD_OUT,
    PAIRS,
    ROWS,
    SEEN,
    Count,
    Quality,
    Trial,
    as_json,
    count,
    held_out_scene,
    measure,
    paint,
    table,
    unseen_pairs,
)
from engine.mini.world import MASCOT, MONSTER, RESOLUTION, Scene, Thing, held_out
from engine.models.load import silence_libraries
from engine.results.generate import load_base_pipeline
from engine.settings import ModelSection


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> StableDiffusionXLPipeline:
    silence_libraries()
    source = ModelSection(pretrained_model_name_or_path=str(tiny_model))
    return load_base_pipeline(source, torch.float32, torch.device("cpu"))


@pytest.fixture(scope="module")
def of_noise(pipeline: StableDiffusionXLPipeline) -> Quality:
    """What a model with random weights reaches."""
    return measure(pipeline, 40, num_inference_steps=1)


def trials_of(*asked_and_drawn: tuple[Scene, Scene]) -> list[Trial]:
    """Trials that asked for the first scene and were given a drawing of the second."""
    pictures = [draw(drawn, RESOLUTION, RESOLUTION) for _, drawn in asked_and_drawn]
    return [Trial(asked, seen) for (asked, _), seen in zip(asked_and_drawn, load_judge().judge(pictures), strict=True)]


def scene_of(kind: str, colour: str, **changes: str) -> Scene:
    individual = MASCOT if kind == MONSTER else None
    return Scene("cartoon", "snow", (Thing(kind, colour, **{"size": "large", **changes}, individual=individual),))


HEART, STRIPED, MASCOT_SCENE = (
    scene_of("heart", "red"),
    scene_of("square", "blue", texture="striped"),
    scene_of(MONSTER, "teal"),
)


def test_a_right_picture_counts_and_a_wrong_one_does_not() -> None:
    trials = trials_of((HEART, HEART), (HEART, STRIPED))
    assert [count(trials, row) for row in ("colour", "shape", "background")] == [Count(1, 2), Count(1, 2), Count(2, 2)]


def test_only_what_the_prompt_names_is_counted() -> None:
    trials = trials_of((HEART, HEART), (STRIPED, STRIPED), (MASCOT_SCENE, MASCOT_SCENE))
    asked = {row: count(trials, row).of for row in ROWS}
    assert asked == dict.fromkeys(ROWS, 3) | {"shape": 2, MONSTER: 1, "texture": 1, "ears": 1, "eyes": 1}
    assert count(trials_of((scene_of("heart", "red", size="medium"), HEART)), "size") == Count(0, 0)


@pytest.mark.parametrize(
    ("scene", "pairs"),
    [
        (Scene("photo", "snow", (Thing("cross", "red"),)), ["style and shape"]),
        (Scene("cartoon", "snow", (Thing("circle", "green"),)), ["colour and shape"]),
        (Scene("photo", "red", (Thing(MONSTER, "green", place="left"),)), ["background and place"]),
        (Scene("photo", "red", (Thing("cross", "white", place="left"),)), ["style and shape", "background and place"]),
        (HEART, []),
    ],
)
def test_new_pairs_are_told_by_kind(scene: Scene, pairs: list[str]) -> None:
    assert unseen_pairs(scene) == pairs


@given(st.integers(0, 2**32 - 1))
def test_held_out_scenes_are_held_out(seed: int) -> None:
    assert held_out(held_out_scene(random.Random(seed)))


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_holds_the_share_and_is_no_wider_than_the_sample_is_small(numbers: tuple[int, int]) -> None:
    of = numbers[1]
    low, high = Count(*numbers).interval
    assert -1e-9 <= low <= Count(*numbers).share <= high + 1e-9 and high <= 1 + 1e-9
    assert high - low <= 2 * 1.96 / (2 * (of + 1.96**2) ** 0.5) + 1e-3  # widest at one half


def test_random_weights_are_at_chance_and_drawings_at_the_top(of_noise: Quality) -> None:
    for row in AIMS:
        assert of_noise.count(row, DRAWN).share > 0.9, row
    assert {"colour, seen", "background, held-out"} <= set(of_noise.short_of_aims())
    assert of_noise.count("background", SEEN).share < 0.4
    assert of_noise.count("colour", SEEN).share < 0.4


def test_a_model_that_paints_as_drawn_is_short_of_no_aim(of_noise: Quality) -> None:
    drawn = of_noise.trials[DRAWN]
    assert Quality({SEEN: drawn, HELD_OUT: drawn}).short_of_aims() == []


def test_the_report_tells_every_row_in_every_column(of_noise: Quality) -> None:
    report = as_json(of_noise)
    assert json.loads(json.dumps(report))["accuracy"].keys() == set(ROWS)
    for row in ROWS:
        for column in COLUMNS:
            numbers = report["accuracy"][row][column]
            assert 0 <= numbers["right"] <= numbers["of"] <= 80
    lines = table(of_noise).splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(ROWS)]] == list(ROWS)
    assert all(name in "\n".join(lines) for name in (*COLUMNS, *PAIRS))


def test_each_picture_has_noise_of_its_own_whatever_the_batch(pipeline: StableDiffusionXLPipeline) -> None:
    prompt = "a photo of a red heart"
    together = paint(pipeline, [prompt, prompt], num_inference_steps=2, guidance_scale=4.0, seed=5)
    alone = paint(pipeline, [prompt], num_inference_steps=2, guidance_scale=4.0, seed=6)
    first, second, repeated = (np.asarray(picture, dtype=int) for picture in (*together, *alone))
    assert np.abs(second - repeated).max() <= 2
    assert np.abs(second - first).max() > 20
    assert first.shape == (RESOLUTION, RESOLUTION, 3)
