"""The judge of the small world's pictures, with the weights that are shipped, on drawings made for the test."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFilter

from engine.errors import EngineError
from engine.mini import judge as judging
from engine.mini.drawing import draw
from engine.mini.judge import ASPECTS, Judge, accuracies, likeness, load_judge, practice_scene
from engine.mini.world import (
    MASCOT,
    MONSTER,
    RESOLUTION,
    STYLES,
    Monster,
    Scene,
    Thing,
    random_monster,
    random_scene,
    resembles_mascot,
)

LARGEST = 2_000_000


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


def monster_scene(draws: random.Random, individual: Monster = MASCOT) -> Scene:
    """The individual in the style, place and before the background of any scene."""
    scene = random_scene(draws)
    thing = Thing(MONSTER, individual.colour, "plain", "large", scene.things[0].place, individual)
    return replace(scene, things=(thing,))


def monsters_unlike_the_mascot(draws: random.Random, count: int) -> list[Scene]:
    found: list[Scene] = []
    while len(found) < count:
        individual = random_monster(draws)
        found += [] if resembles_mascot(individual) else [monster_scene(draws, individual)]
    return found


def shape_scenes(draws: random.Random, count: int) -> list[Scene]:
    found: list[Scene] = []
    while len(found) < count:
        scene = practice_scene(draws)
        found += [scene] if scene.things[0].kind != MONSTER else []
    return found


def likenesses(judge: Judge, scenes: list[Scene]) -> torch.Tensor:
    judgements = judge.judge([draw(scene, RESOLUTION, RESOLUTION) for scene in scenes])
    return torch.tensor([likeness(judgement, MASCOT) for judgement in judgements])


def test_the_weights_are_small() -> None:
    assert judging.WEIGHTS.stat().st_size < LARGEST


def test_missing_weights_are_told_with_what_makes_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judging, "WEIGHTS", tmp_path / "judge.safetensors")
    with pytest.raises(EngineError, match=r"python -m engine\.mini\.judge"):
        load_judge()


def test_drawings_that_it_never_saw_are_judged_right(judge: Judge) -> None:
    draws = random.Random("fresh drawings")
    right = accuracies(judge, [practice_scene(draws) for _ in range(200)])
    for aspect in ("colour", "shape", "place", "background", "style"):
        assert right[aspect] >= 0.97, aspect
    for aspect in ("size", "texture", "head", "ears", "accent"):
        assert right[aspect] >= 0.92, aspect
    for aspect in ("eyes", "marking"):  # small monsters in pixel art have no more than a square for an eye
        assert right[aspect] >= 0.82, aspect


def test_soft_and_noisy_pictures_are_judged_as_sharp_ones(judge: Judge) -> None:
    draws = random.Random("soft drawings")
    scenes = [practice_scene(draws) for _ in range(100)]
    soft = [draw(scene, RESOLUTION, RESOLUTION).filter(ImageFilter.GaussianBlur(0.8)) for scene in scenes]
    judgements = judge.judge(soft)
    right = [j.most_likely("shape") == s.things[0].kind for s, j in zip(scenes, judgements, strict=True)]
    assert sum(right) >= 93


def test_probabilities_of_each_aspect_are_one_together(judge: Judge) -> None:
    (judgement,) = judge.judge([Image.new("RGB", (64, 64), "grey")])
    assert set(judgement.probabilities) == set(ASPECTS)
    for aspect, answers in ASPECTS.items():
        assert sum(judgement.probability(aspect, answer) for answer in answers) == pytest.approx(1, abs=1e-4)
        assert judgement.most_likely(aspect) in answers


@pytest.mark.parametrize("size", [(64, 64), (512, 512), (640, 640), (48, 48)])
def test_pictures_of_any_size_are_judged(judge: Judge, size: tuple[int, int]) -> None:
    scene = Scene("cartoon", "snow", (Thing("heart", "red", "plain", "large", "middle"),), seed=3)
    (judgement,) = judge.judge([draw(scene, *size)])
    assert [judgement.most_likely(aspect) for aspect in ("colour", "shape", "background", "style")] == [
        "red",
        "heart",
        "snow",
        "cartoon",
    ]


def test_no_pictures_no_judgements(judge: Judge) -> None:
    assert judge.judge([]) == []


def test_a_picture_is_judged_alike_in_any_company(judge: Judge) -> None:
    draws = random.Random(1)
    pictures = [draw(practice_scene(draws), RESOLUTION, RESOLUTION) for _ in range(5)]
    together, alone = judge.judge(pictures)[2], judge.judge(pictures[2:3])[0]
    for aspect, answers in ASPECTS.items():
        for answer in answers:
            assert together.probability(aspect, answer) == pytest.approx(alone.probability(aspect, answer), abs=1e-4)


def test_the_drawn_mascot_is_known_and_others_are_told_apart(judge: Judge) -> None:
    draws = random.Random("mascots")
    mascots = likenesses(judge, [monster_scene(draws) for _ in range(60)])
    strangers = likenesses(judge, monsters_unlike_the_mascot(draws, 60))
    shapes = likenesses(judge, shape_scenes(draws, 60))
    assert mascots.mean() > 0.95 and mascots.min() > strangers.max()
    assert strangers.mean() < 0.3 and shapes.mean() < 0.05


def test_the_mascots_colour_alone_is_no_likeness(judge: Judge) -> None:
    """A teal monster is like the mascot in as many points as it shares."""
    draws = random.Random("teal")
    individuals = [replace(random_monster(draws), colour=MASCOT.colour) for _ in range(80)]
    aspects = ("head", "ears", "eyes", "marking", "colour", "accent")
    shared = torch.tensor(
        [sum(getattr(each, aspect) == getattr(MASCOT, aspect) for aspect in aspects) / 6 for each in individuals]
    )
    judged = likenesses(judge, [monster_scene(draws, individual) for individual in individuals])
    assert (judged - shared).abs().mean() < 0.06


def test_the_mascot_is_known_in_every_style(judge: Judge) -> None:
    draws = random.Random("styles")
    for style in STYLES:
        scenes = [replace(monster_scene(draws), style=style) for _ in range(30)]
        assert likenesses(judge, scenes).mean() > 0.95, style
