"""The base model's own vocabulary is found where the model is on this disk."""

from pathlib import Path

import pytest

from engine.config import TrainConfig
from engine.plan import training_needs


def needs_of(model: str) -> Path | None:
    config = TrainConfig.model_validate({"model": {"pretrained_model_name_or_path": model}})
    return training_needs(config).tokenizer


@pytest.mark.parametrize("file", ["merges.txt", "tokenizer.json"])
def test_in_the_models_folder(tmp_path: Path, file: str) -> None:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / file).touch()
    assert needs_of(str(tmp_path)) == tmp_path / "tokenizer" / file


def test_in_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "models--somebody--sdxl"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc" / "tokenizer").mkdir(parents=True)
    (repository / "snapshots" / "abc" / "tokenizer" / "merges.txt").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found = needs_of("somebody/sdxl")
    assert found is not None and found.parts[-3:] == ("abc", "tokenizer", "merges.txt")


@pytest.mark.parametrize("model", ["tiny", "nobody/nothing", "not a name", "a..b", ""])
def test_nowhere(model: str) -> None:
    assert needs_of(model) is None
