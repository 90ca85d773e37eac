"""A new run starts from the weights of an old one, where they fit, and is otherwise new."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.preflight import examine
from engine.preflight.origin import find_origin, with_origin_found
from engine.recipe import follow
from engine.results.model_card import model_card
from engine.rundir import RunDir, create_run
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.weights import load_weights
from tests.engine.conftest import ALPHA, MakeRun
from tests.engine.training import nothing, trainer_of

Config = Callable[..., TrainConfig]
LIKE_IT = {"rank": 4, "lora_alpha": ALPHA}


@pytest.fixture
def old(make_run: MakeRun) -> RunDir:
    """An old run with whole checkpoints of steps 3 and 5."""
    run, _, _ = make_run("old")
    newer = load_checkpoint(run.checkpoints / "000003")
    save_checkpoint(run, dataclasses.replace(newer, state=dataclasses.replace(newer.state, step=5)))
    return run


def problems(config: TrainConfig, runs: Path) -> list[str]:
    return [str(problem) for problem in examine(config, runs, count_memory=False).problems]


def test_a_run_a_step_of_it_or_a_folder_names_a_checkpoint(old: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = old.path.parent
    newest, older = old.checkpoints / "000005", old.checkpoints / "000003"
    assert find_origin("old", runs) == find_origin(str(old.path), runs) == newest
    assert find_origin("old:3", runs) == find_origin(f"{old.path}:3", runs) == older
    monkeypatch.chdir(runs)
    assert find_origin("old/checkpoints/000003", Path("elsewhere")) == older
    for named, problem in (("new", "no run 'new'"), ("old:4", "no checkpoint of step 4"), ("~nobody/x", "no run")):
        with pytest.raises(EngineError, match=problem):
            find_origin(named, runs)
    (older / "state.json").unlink()
    for named in ("old:3", str(older)):
        with pytest.raises(EngineError, match="cannot be used"):
            find_origin(named, runs)


def test_weights_that_do_not_fit_are_refused_before_anything_loads(old: RunDir, config: Config) -> None:
    runs = old.path.parent
    assert problems(config(lora={**LIKE_IT, "init_from": "old"}), runs) == []
    for sections, theirs in (
        ({"lora": {"rank": 8, "lora_alpha": ALPHA}}, "rank = 4, and this run has 8"),
        ({"lora": {"rank": 4, "lora_alpha": 2.0}}, "lora_alpha = 8.1, and this run has 2.0"),
        ({"lora": {**LIKE_IT, "use_dora": True}}, "use_dora = False"),
        ({"lora": {**LIKE_IT, "lora_layers": "attention_and_feed_forward"}}, "lora_layers = attention"),
        ({"lora": {**LIKE_IT, "lora_unet_blocks": ["mid_block.attentions.0"]}}, "lora_unet_blocks = all"),
        ({"lora": LIKE_IT, "text_encoder": {"num_new_tokens_per_abstraction": 3}}, "number of new tokens = 2"),
        ({"lora": LIKE_IT, "text_encoder": {"train_text_encoder": True, "train_text_encoder_ti": False}}, "tokens = 2"),
    ):
        asked = {**sections, "lora": {**sections["lora"], "init_from": "old"}}
        [problem] = problems(config(**asked), runs)
        assert "do not fit" in problem and theirs in problem


def test_blocks_fit_when_they_are_the_same_ones(make_run: MakeRun, config: Config) -> None:
    run, _, _ = make_run("blocks", lora={"lora_unet_blocks": ["unet.mid_block"], "use_dora": True})
    like_it = {**LIKE_IT, "use_dora": True, "init_from": "blocks"}
    assert problems(config(lora={**like_it, "lora_unet_blocks": ["mid_block"]}), run.path.parent) == []
    for blocks in (["up_blocks.0"], ["mid_block", "up_blocks.0"], None):
        [problem] = problems(config(lora={**like_it, "lora_unet_blocks": blocks}), run.path.parent)
        assert "lora_unet_blocks = mid_block" in problem


def test_training_begins_with_those_weights_and_a_fresh_optimizer(old: RunDir, config: Config, tmp_path: Path) -> None:
    settings = with_origin_found(config(lora={**LIKE_IT, "init_from": "old:3"}), old.path.parent)
    run = create_run(tmp_path / "runs", "new", settings)
    start = load_weights(Path(settings.lora.init_from or ""))
    trainer, plain = (trainer_of(run, settings, start=weights) for weights in (start, None))
    for name, tensor in {**start.lora(), **start.embeddings()}.items():
        assert torch.equal({**trainer.weights().lora(), **trainer.weights().embeddings()}[name], tensor)
    assert trainer.step == 0
    fresh = [parameters["params"][0].shape for parameters in plain.optimizer.param_groups]
    assert [parameters["params"][0].shape for parameters in trainer.optimizer.param_groups] == fresh
    assert not trainer.optimizer.state
    assert [std for _, std in trainer.new_rows] == [std for _, std in plain.new_rows]


def test_a_run_begins_there_and_goes_on_from_its_own_checkpoint(old: RunDir, config: Config, tmp_path: Path) -> None:
    hardly = {"optimizer": {"optimizer": "adamw", "learning_rate": 1e-12}, "run": {"max_train_steps": 1}}
    origin = old.checkpoints / "000003"
    run = create_run(tmp_path / "new", "new", config(lora={**LIKE_IT, "init_from": str(origin)}, **hardly))
    start = load_weights(origin).unet
    assert follow(run, nothing).type == "finished"
    ended = load_weights(run.checkpoints / "000001").unet
    assert max((ended[name] - tensor).abs().max().item() for name, tensor in start.items()) < 1e-6

    shutil.rmtree(origin)
    assert follow(run, nothing).type == "finished", "its own checkpoint is all that it needs"
    shutil.rmtree(run.checkpoints / "000001")
    with pytest.raises(EngineError, match=r"weights to start from.*cannot be used"):
        follow(run, nothing)


def test_the_model_card_names_the_run_and_no_path(old: RunDir, config: Config) -> None:
    settings = with_origin_found(config(lora={**LIKE_IT, "init_from": "old"}), old.path.parent)
    card = model_card("new", settings, {})
    assert "began with the weights of old." in card and str(old.path.parent) not in card
