"""The examination of a run: its questions, the grades of pictures that are known, and what held-back drawings show."""

import random
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.mini import held_back
from engine.mini.drawing import draw
from engine.mini.exam import CLASS, NAMED, QUESTIONS, Answers, Grades, Question, grade, paint, paint_base, train
from engine.mini.held_back import NOISE_LEVELS, conditioning
from engine.mini.mascot import SHOWN, mascot_scene, standard_scenes, trigger_caption, write_photos
from engine.mini.world import MONSTER, PLACES, RESOLUTION, Scene, Thing, held_out, random_monster
from engine.models.load import load_models
from engine.results.generate import load_base_pipeline
from engine.settings import ModelSection, TextEncoderSection
from engine.text.prompts import PromptEncoder


def drawn(scene: Scene) -> Image.Image:
    return draw(scene, RESOLUTION, RESOLUTION)


def of_mascot(question: Question, seed: int = 0) -> Scene:
    return mascot_scene("photo", question.background, place=question.place, seed=seed)


def of_stranger(question: Question, seed: int) -> Scene:
    individual = random_monster(random.Random(seed))
    thing = Thing(MONSTER, individual.colour, place=question.place, individual=individual)
    return replace(of_mascot(question, seed), things=(thing,))


MASCOTS = [drawn(of_mascot(question)) for question in QUESTIONS]
STRANGERS = [drawn(of_stranger(question, seed)) for seed, question in enumerate(QUESTIONS)]


def test_questions_are_worded_as_captions_are() -> None:
    for question in QUESTIONS:
        assert question.prompt(NAMED) == trigger_caption(of_mascot(question))
        assert question.prompt(CLASS) == question.prompt(NAMED).replace(NAMED, CLASS)


def test_questions_ask_for_no_pair_that_pre_training_left_out_and_for_each_place_about_as_often() -> None:
    assert not any(held_out(of_mascot(question)) for question in QUESTIONS)
    places = Counter(question.place for question in QUESTIONS)
    assert places.keys() == PLACES.keys()
    assert max(places.values()) - min(places.values()) <= 2


def test_questions_ask_for_backgrounds_that_photos_show_and_for_new_ones() -> None:
    asked = {question.background for question in QUESTIONS}
    assert asked > set(SHOWN)


def test_drawings_of_what_was_asked_for_get_the_best_grades() -> None:
    grades = grade(Answers(named=MASCOTS, plain=STRANGERS))
    assert grades.concept > 0.9
    assert min(grades.place, grades.background, grades.monster) > 0.95
    assert grades.leak < 0.4
    assert grades.variety > 0.6


def test_another_individual_is_not_the_concept() -> None:
    assert grade(Answers(named=STRANGERS, plain=STRANGERS)).concept < 0.4


def test_what_stands_elsewhere_is_not_what_was_asked_for() -> None:
    moved = [*MASCOTS[3:], *MASCOTS[:3]]
    grades = grade(Answers(named=moved, plain=STRANGERS))
    assert grades.concept > 0.9
    assert max(grades.place, grades.background) < 0.3


def test_a_class_that_has_become_the_mascot_has_leaked_and_has_no_variety() -> None:
    grades = grade(Answers(named=MASCOTS, plain=MASCOTS))
    assert grades.leak == grades.concept
    assert grades.variety < 0.1


def test_every_round_of_pictures_is_held_against_the_questions() -> None:
    once, twice = (grade(Answers(MASCOTS * rounds, STRANGERS * rounds)) for rounds in (1, 2))
    assert (once.place, once.background) == (twice.place, twice.background)


@pytest.fixture(scope="module")
def tiny() -> ModelSection:
    return ModelSection(pretrained_model_name_or_path="tiny")


@pytest.mark.slow
def test_a_run_is_trained_and_paints_the_same_for_a_seed(tiny: ModelSection, tmp_path: Path) -> None:
    scenes = standard_scenes(4)
    (tmp_path / "photos").mkdir()
    write_photos(tmp_path / "photos", scenes, list(map(trigger_caption, scenes)), size=(64, 64))
    settings = {"model": {"pretrained_model_name_or_path": "tiny"}, "run": {"max_train_steps": 2}}
    run = train(tmp_path / "photos", tmp_path / "runs" / "mascot", settings)
    first, again = paint(run, rounds=1), paint(run, rounds=1)
    assert first == again
    assert first.named != first.plain
    assert first.plain != paint_base(tiny, rounds=1).plain, "the base model has no LoRA"
    assert all(0 <= value <= 1 for value in asdict(grade(first)).values())
    assert isinstance(grade(first), Grades)


def test_held_back_drawings_are_told_to_the_unet_as_training_tells_captions(tiny: ModelSection) -> None:
    captions = [trigger_caption(scene) for scene in standard_scenes(2)]
    told = conditioning(load_base_pipeline(tiny, torch.float32, torch.device("cpu")), captions)
    models = load_models(tiny, torch.float32, torch.device("cpu"))
    prompt_embeds, pooled = PromptEncoder(models, {}, TextEncoderSection(), None).encode(captions)
    torch.testing.assert_close(told.prompt_embeds, prompt_embeds)
    torch.testing.assert_close(told.pooled_prompt_embeds, pooled)


def test_a_model_that_knows_nothing_loses_about_the_noises_variance(tiny: ModelSection) -> None:
    pipeline = load_base_pipeline(tiny, torch.float32, torch.device("cpu"))
    told = conditioning(pipeline, ["a photo"] * 2)
    losses = held_back.losses(pipeline, MASCOTS[:2], told)
    assert losses.keys() == NOISE_LEVELS.keys()
    assert all(0.8 < loss < 1.5 for loss in losses.values())
    assert losses == held_back.losses(pipeline, MASCOTS[:2], told), "the same noise for a seed"
