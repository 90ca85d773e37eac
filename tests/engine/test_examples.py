"""What is trained on: photos with their captions however they were written, and the class images that are wanted."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, Image, Value

from curation.dataset import exclude, open_dataset
from curation.errors import CurationError
from engine.config import compose
from engine.data.examples import read_examples, real_class_images
from engine.errors import EngineError
from engine.settings import PriorSection


def captions_of(photos: Path, instance_prompt: str | None = None, **data: Any) -> dict[str, str]:
    concept = {"instance_prompt": instance_prompt} if instance_prompt else {}
    config = compose(flags={"data": {"instance_data_dir": str(photos), **data}, "concept": concept}).config
    return {example.name: example.caption for example in read_examples(config)}


def test_a_caption_comes_from_the_photos_own_text_file_or_else_the_instance_prompt(photos: Path) -> None:
    (photos / "cat.txt").write_text("TOK, asleep\nmore words that kohya's tools would not read\n")
    captions = captions_of(photos, "a photo of TOK")
    assert captions["cat.png"] == "TOK, asleep"
    assert captions["coffee.png"] == "a photo of TOK"


@pytest.mark.parametrize("column", ["prompt", "text"])
def test_a_caption_comes_from_the_named_column_of_an_image_folder(photos: Path, column: str) -> None:
    rows = [{"file_name": path.name, column: f"TOK, {path.stem}"} for path in sorted(photos.iterdir())]
    (photos / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert captions_of(photos, caption_column=column) == {row["file_name"]: row[column] for row in rows}


def test_a_photo_without_any_caption_is_named(photos: Path) -> None:
    with pytest.raises(EngineError, match=r"astronaut\.png has no caption"):
        captions_of(photos)


def test_an_excluded_photo_is_left_out(photos: Path) -> None:
    exclude(open_dataset(photos), {"cat.png": "too cute"})
    assert set(captions_of(photos, "a photo of TOK")) == {"astronaut.png", "coffee.png", "rocket.png"}


def test_that_all_photos_are_excluded_is_told(photos: Path) -> None:
    exclude(open_dataset(photos), dict.fromkeys(("astronaut.png", "cat.png", "coffee.png", "rocket.png"), "no"))
    with pytest.raises(EngineError, match="Every photo is left out"):
        captions_of(photos, "a photo of TOK")


def prior(**settings: Any) -> PriorSection:
    return PriorSection(with_prior_preservation=True, class_prompt="a photo of a cup", **settings)


@pytest.fixture
def saved(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset as `datasets` saves it, of the cat and the coffee."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = {"image": [str(photos / name) for name in ("cat.png", "coffee.png")], "prompt": ["a cat", "a cup"]}
    Dataset.from_dict(rows, Features({"image": Image(), "prompt": Value("string")})).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def named(paths: tuple[Path, ...]) -> list[str]:
    return [path.name for path in paths]


def test_class_images_come_from_the_folder_and_then_from_the_dataset(photos: Path, saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    shutil.copy(photos / "rocket.png", folder)
    both = {"class_data_dir": str(folder), "class_dataset_name": str(saved)}
    assert named(real_class_images(prior(**both))) == ["rocket.png", "cat.png", "coffee.png"]
    assert named(real_class_images(prior(**both, num_class_images=2))) == ["rocket.png", "cat.png"]
    assert named(real_class_images(prior(class_dataset_name=str(saved)))) == ["cat.png", "coffee.png"]


def test_the_dataset_is_not_asked_where_the_folder_has_enough(photos: Path) -> None:
    enough = prior(class_data_dir=str(photos), class_dataset_name="nobody/nothing", num_class_images=4)
    assert len(real_class_images(enough)) == 4


def test_excluded_class_images_are_left_out(photos: Path, saved: Path) -> None:
    exclude(open_dataset(photos), {"cat.png": "no cup"})
    assert "cat.png" not in named(real_class_images(prior(class_data_dir=str(photos))))
    [cat, _] = real_class_images(prior(class_dataset_name=str(saved)))
    exclude(open_dataset(cat.parent), {"cat.png": "no cup"})
    assert named(real_class_images(prior(class_dataset_name=str(saved)))) == ["coffee.png"]


def test_a_folder_that_is_yet_to_be_filled_has_none(tmp_path: Path) -> None:
    assert real_class_images(prior(class_data_dir=str(tmp_path / "new"))) == ()


def test_a_dataset_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(EngineError, match="There is no dataset of class images"):
        real_class_images(prior(class_dataset_name=str(tmp_path / "absent")))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CurationError, match="nobody/nothing"):
        real_class_images(prior(class_dataset_name="nobody/nothing"))


@pytest.mark.parametrize("off", [{"with_prior_preservation": False}, {"prior_target": "base_model"}])
def test_no_class_image_is_read_where_none_is_trained_on(photos: Path, off: dict[str, Any]) -> None:
    settings = prior(class_data_dir=str(photos), class_dataset_name="nobody/nothing")
    assert real_class_images(settings.model_copy(update=off)) == ()
