"""Class images: the real ones first, the missing ones made by the base model, and both told apart."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curation.dataset import exclude, open_dataset
from engine.class_images import class_examples, count_by_origin, generate_class_images
from engine.config import TrainConfig
from engine.models.load import Models
from engine.rundir import RunDir, create_run


@pytest.fixture
def real(photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "class"
    folder.mkdir()
    shutil.copy(photos / "coffee.png", folder)
    shutil.copy(photos / "cat.png", folder)
    return folder


PRIOR = {"with_prior_preservation": True, "class_prompt": "a photo of a cup", "num_class_images": 4}


def run_with(config: Callable[..., TrainConfig], folder: Path, prior: Mapping[str, Any]) -> tuple[RunDir, TrainConfig]:
    settings = config(prior={**PRIOR, **prior})
    return create_run(folder / "runs", "run", settings), settings


def generate(run: RunDir, settings: TrainConfig, models: Models) -> list[tuple[int, int]]:
    return list(generate_class_images(run, settings, models))


def test_what_real_ones_are_missing_is_generated_and_told_apart(
    config: Callable[..., TrainConfig], tmp_path: Path, real: Path, tiny_models: Models
) -> None:
    run, settings = run_with(config, tmp_path, {"class_data_dir": str(real)})
    assert generate(run, settings, tiny_models) == [(1, 2), (2, 2)]
    examples = class_examples(run, settings)
    assert [example.name for example in examples] == ["cat.png", "coffee.png", "0002.png", "0003.png"]
    assert {example.caption for example in examples} == {"a photo of a cup"}
    assert count_by_origin(run, examples) == {"real": 2, "generated": 2}
    assert sorted(path.name for path in real.iterdir()) == ["cat.png", "coffee.png"]


def test_each_generated_picture_has_its_own_noise_and_the_same_in_another_run(
    config: Callable[..., TrainConfig], tmp_path: Path, tiny_models: Models
) -> None:
    first, settings = run_with(config, tmp_path / "first", {"num_class_images": 2})
    second, _ = run_with(config, tmp_path / "second", {"num_class_images": 2})
    for run in (first, second):
        generate(run, settings, tiny_models)
    pictures = [[Image.open(path).tobytes() for path in sorted(run.class_images.iterdir())] for run in (first, second)]
    assert pictures[0] == pictures[1]
    assert pictures[0][0] != pictures[0][1]


def test_generated_pictures_are_drawn_with_the_runs_own_clip_skip(
    config: Callable[..., TrainConfig], tmp_path: Path, tiny_models: Models
) -> None:
    pictures = []
    for clip_skip in (None, 1):
        settings = config(prior={**PRIOR, "num_class_images": 1}, text_encoder={"clip_skip": clip_skip})
        run = create_run(tmp_path / str(clip_skip), "run", settings)
        generate(run, settings, tiny_models)
        pictures.append(Image.open(run.class_images / "0000.png").tobytes())
    assert pictures[0] != pictures[1]


def test_generating_goes_on_where_it_was_left_and_overwrites_nothing(
    config: Callable[..., TrainConfig], tmp_path: Path, real: Path, tiny_models: Models
) -> None:
    run, settings = run_with(config, tmp_path, {"class_data_dir": str(real)})
    generate(run, settings, tiny_models)
    before = {path.name: path.read_bytes() for path in run.class_images.iterdir()}
    assert generate(run, settings, tiny_models) == []
    exclude(open_dataset(real), {"cat.png": "no cup", "coffee.png": "too dark"})
    assert generate(run, settings, tiny_models) == [(1, 2), (2, 2)]
    after = {path.name: path.read_bytes() for path in run.class_images.iterdir()}
    assert before.items() < after.items()
    assert count_by_origin(run, class_examples(run, settings)) == {"real": 0, "generated": 4}


def test_with_the_base_model_as_target_there_are_none(
    config: Callable[..., TrainConfig], tmp_path: Path, tiny_models: Models
) -> None:
    run, settings = run_with(config, tmp_path, {"prior_target": "base_model"})
    assert generate(run, settings, tiny_models) == []
    assert class_examples(run, settings) == ()
    assert not run.class_images.exists()
