"""Datasets of the hub and of `datasets` become folders: read once, whole or not at all, and then the user's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Image

from curation import CurationError, open_dataset, save_captions
from curation.hub import photos_folder
from tests.curation import hub_stub, tiny_captioners

ROOT = Path(__file__).parents[2]
NAMES = ["astronaut", "cat", "coffee", "rocket"]
DEAD_HUB = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where datasets are read to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "loratui" / "datasets"


@pytest.fixture
def dataset(photos: Path) -> Dataset:
    """Four photos with captions, under the name that the hub's viewer gives them, and columns of other kinds."""
    columns: dict[str, list[Any]] = {
        "text": [f"a photo of {name}" for name in NAMES],
        "picture": [str(photos / f"{name}.png") for name in NAMES],
        "mask": [str(photos / "cat.png")] * 4,
        "tags": [["x", "y"], [], ["z"], []],
        "score": [0.5, float("nan"), 1.0, None],
        "file_name": ["misleading.png"] * 4,
    }
    return Dataset.from_dict(columns).cast_column("picture", Image()).cast_column("mask", Image())


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def save_parquet(dataset: Dataset, folder: Path) -> None:
    """With the photos in it, as on the hub."""
    dataset.save_to_disk(folder.with_name("embedded"))
    (folder / "data").mkdir(parents=True)
    Dataset.load_from_disk(folder.with_name("embedded")).to_parquet(folder / "data" / "train-00000-of-00001.parquet")


SAVE: dict[str, Callable[[Dataset, Path], Any]] = {
    "save_to_disk": lambda dataset, folder: dataset.save_to_disk(folder),
    "splits": lambda dataset, folder: DatasetDict({"test": dataset.select([0]), "train": dataset}).save_to_disk(folder),
    "one split": lambda dataset, folder: DatasetDict({"validation": dataset}).save_to_disk(folder),
    "parquet": save_parquet,
}


@pytest.mark.parametrize("layout", SAVE)
def test_a_saved_dataset_becomes_a_folder(dataset: Dataset, photos: Path, tmp_path: Path, layout: str) -> None:
    SAVE[layout](dataset, tmp_path / "saved")
    folder = photos_folder(tmp_path / "saved")
    opened = open_dataset(folder, "text")
    assert {photo.name: photo.caption for photo in opened.photos} == {f"{n}.png": f"a photo of {n}" for n in NAMES}
    assert all(photo.path.read_bytes() == (photos / photo.name).read_bytes() for photo in opened.photos)
    assert rows(folder) == [
        {"file_name": "astronaut.png", "text": "a photo of astronaut", "tags": ["x", "y"], "score": 0.5},
        {"file_name": "cat.png", "text": "a photo of cat", "tags": []},
        {"file_name": "coffee.png", "text": "a photo of coffee", "tags": ["z"], "score": 1.0},
        {"file_name": "rocket.png", "text": "a photo of rocket", "tags": [], "score": None},
    ]


def test_names_that_are_taken_or_odd_become_numbers(photos: Path, tmp_path: Path) -> None:
    content = (photos / "cat.png").read_bytes()
    paths = ["cat.png", "CAT.png", "../../up.png", "a\x1b[31m.png", ".hidden.png", "photo", None, "x.exe"]
    images = [{"bytes": content, "path": path} for path in paths]
    Dataset.from_dict({"image": images}).cast_column("image", Image()).save_to_disk(tmp_path / "saved")
    folder = photos_folder(tmp_path / "saved")
    numbers = [f"{index:05d}.png" for index in (1, 3, 4, 5, 6, 7)]
    assert [row["file_name"] for row in rows(folder)] == ["cat.png", numbers[0], "up.png", *numbers[1:]]
    assert len(open_dataset(folder).photos) == 8


def test_a_photo_that_does_not_decode_is_kept_for_lint_to_tell(tmp_path: Path) -> None:
    images = [{"bytes": b"no image", "path": None}]
    Dataset.from_dict({"image": images}).cast_column("image", Image()).save_to_disk(tmp_path / "saved")
    assert (photos_folder(tmp_path / "saved") / "00000.jpg").read_bytes() == b"no image"


def test_edited_captions_are_what_the_dataset_stands_for_from_then_on(dataset: Dataset, tmp_path: Path) -> None:
    dataset.save_to_disk(tmp_path / "saved")
    save_captions(open_dataset(photos_folder(tmp_path / "saved"), "text"), {"cat.png": "a TOK cat"})
    again = open_dataset(photos_folder(tmp_path / "saved"), "text")
    assert again.photos[1].caption == "a TOK cat"


def test_a_dataset_that_was_saved_anew_is_read_anew_beside_the_old_one(
    dataset: Dataset, tmp_path: Path, cache: Path
) -> None:
    dataset.save_to_disk(tmp_path / "saved")
    old = photos_folder(tmp_path / "saved")
    dataset.select([1, 2]).save_to_disk(tmp_path / "saved")
    new = photos_folder(tmp_path / "saved")
    assert len(open_dataset(new).photos) == 2 and len(open_dataset(old).photos) == 4
    assert new.parent.parent == old.parent.parent and new.is_relative_to(cache)


def test_a_folder_of_photos_is_itself_whatever_lies_beside_them(photos: Path) -> None:
    (photos / "scores.parquet").write_bytes(b"of no concern")
    assert photos_folder(photos) == photos


@pytest.mark.parametrize("named", ["none", "../user/none", "./user/none", "/user/none", "user/none/deep", "user/no ne"])
def test_what_cannot_be_a_dataset_stays_a_path(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert photos_folder(named) == Path(named)


def test_a_folder_on_disk_wins_over_the_hub_and_so_does_a_slip_beside_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent.parent)
    assert photos_folder(f"{photos.parent.name}/photos") == Path(photos.parent.name, "photos")
    assert photos_folder(f"{photos.parent.name}/photo") == Path(photos.parent.name, "photo")


def test_nothing_is_read_where_only_what_is_there_was_asked_for(dataset: Dataset, tmp_path: Path, cache: Path) -> None:
    dataset.save_to_disk(tmp_path / "saved")
    assert photos_folder(tmp_path / "saved", fetch=False) == tmp_path / "saved"
    assert photos_folder("user/name", fetch=False) == Path("user/name")
    assert not cache.exists()
    read = photos_folder(tmp_path / "saved")
    assert photos_folder(tmp_path / "saved", fetch=False) == read


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"text": ["a", "b"]}, "has no column of photos; it has text"), ({"image": [None]}, "holds no photos")],
)
def test_a_dataset_without_photos_is_refused_and_leaves_nothing(
    columns: dict[str, list[Any]], why: str, tmp_path: Path, cache: Path
) -> None:
    made = Dataset.from_dict(columns)
    (made.cast_column("image", Image()) if "image" in columns else made).save_to_disk(tmp_path / "saved")
    with pytest.raises(CurationError, match=why):
        photos_folder(tmp_path / "saved")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_several_splits_without_one_to_train_on_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    DatasetDict({"a": dataset, "b": dataset}).save_to_disk(tmp_path / "saved")
    with pytest.raises(CurationError, match="no split named train; it has a, b"):
        photos_folder(tmp_path / "saved")


def test_a_damaged_dataset_is_refused_and_leaves_nothing(dataset: Dataset, tmp_path: Path, cache: Path) -> None:
    save_parquet(dataset, tmp_path / "saved")
    table = next((tmp_path / "saved" / "data").iterdir())
    table.write_bytes(table.read_bytes()[:1000])
    with pytest.raises(CurationError, match="cannot be read"):
        photos_folder(tmp_path / "saved")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def run(hub: str, home: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`loratui` with the hub at this address and all caches under `home`."""
    env = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home / "hf"), "XDG_CACHE_HOME": str(home / "cache")}
    command = [sys.executable, "-m", "loratui", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=home, env={**env, "PYTHONPATH": str(ROOT)} | environment
    )


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["parquet", "imagefolder"])
def test_a_dataset_of_the_hub_is_linted_and_captioned_like_a_folder_and_stays_when_the_hub_is_gone(
    dataset: Dataset, photos: Path, tmp_path: Path, layout: str
) -> None:
    source = tmp_path / "repository"
    if layout == "parquet":
        save_parquet(dataset, source)
    else:
        photos.rename(source)
        lines = [json.dumps({"file_name": f"{name}.png", "text": f"a photo of {name}"}) + "\n" for name in NAMES]
        (source / "metadata.jsonl").write_text("".join(lines))
    with hub_stub.serving("user/cats", source) as hub:
        listed = run(hub, tmp_path, "caption", "list", "user/cats", "--caption-column", "text")
        assert listed.stdout.splitlines() == [f"{name}.png: a photo of {name}" for name in NAMES], listed.stderr
        assert "that you may see" in run(hub, tmp_path, "lint", "user/dogs").stderr
    arguments = ("user/cats", "a TOK cat", "--photo", "cat.png", "--caption-column", "text")
    assert run(DEAD_HUB, tmp_path, "caption", "set", *arguments).returncode == 0
    assert "a TOK cat" in run(DEAD_HUB, tmp_path, "caption", "list", "user/cats", "--caption-column", "text").stdout
    linted = run(DEAD_HUB, tmp_path, "lint", "user/cats", "--format", "json")
    assert json.loads(linted.stdout)["photos"] == 4, linted.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "why"), [({}, "the hub does not answer"), ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids")]
)
def test_a_dataset_out_of_reach(tmp_path: Path, environment: dict[str, str], why: str) -> None:
    done = run(DEAD_HUB, tmp_path, "lint", "user/cats", **environment)
    assert done.returncode == 2 and done.stdout == ""
    assert why in done.stderr and "hf download --repo-type dataset user/cats" in done.stderr


@pytest.mark.slow
def test_a_model_that_does_not_caption_is_refused_before_its_weights_are_fetched(photos: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (model / "model.safetensors").write_bytes(b"gigabytes")
    with hub_stub.serving("user/gpt", model, "models") as hub:
        refused = run(hub, tmp_path, "caption", "auto", photos, "--model", "user/gpt")
    assert refused.returncode == 2 and "gpt2, which does not caption" in refused.stderr
    assert not list((tmp_path / "hf").rglob("*.safetensors"))


@pytest.mark.slow
def test_a_captioner_of_the_hub_is_fetched_once(photos: Path, tmp_path: Path) -> None:
    arguments = ("caption", "auto", photos, "--model", "user/blip", "--dry-run")
    model = tiny_captioners.save_blip(tmp_path / "model")
    (model / "pytorch_model.bin").write_bytes(b"as old repositories have it, beside")
    with hub_stub.serving("user/blip", model, "models") as hub:
        fetched = run(hub, tmp_path, *arguments)
        assert fetched.stdout.count("+++") == 4, fetched.stderr
        assert not list((tmp_path / "hf").rglob("*.bin")), "the same weights in another format"
        assert "no model user/dog on the hub" in run(hub, tmp_path, *arguments[:4], "user/dog").stderr
    assert run(DEAD_HUB, tmp_path, *arguments).stdout == fetched.stdout
