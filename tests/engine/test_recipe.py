"""A run followed from its config to verified files: every stage, every end."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import ClassImages, Event, Paused, Phase, Progress, Sample, Step, Stopped, Verified, Warned
from engine.models import load
from engine.recipe import follow
from engine.rundir import create_run
from engine.training.manifest import newest_checkpoint
from tests.engine.training import STEPS, last_files, nothing, of_type, pause_after


def test_a_run_is_followed_from_its_config_to_verified_files(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    run = create_run(tmp_path, "backpack", config(data={"center_crop": True, "random_flip": False}))
    events: list[Event] = []
    end = follow(run, events.append)
    assert (end.type, end.step) == ("finished", STEPS)
    assert [event.phase for event in of_type(events, Phase)] == [
        "loading",
        "caching",  # latents
        "rehearsal",
        "training",
        "caching",  # captions, at the pivot
        "training",
        "exporting",
        "verifying",
    ]
    assert {path.name for path in run.output.glob("*.safetensors")} == {
        "pytorch_lora_weights.safetensors",
        "backpack.safetensors",
        "backpack_emb.safetensors",
    }


def test_files_that_do_not_verify_end_the_run_with_an_error_and_are_kept(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    run = create_run(tmp_path, "run", config(run={"max_train_steps": 1}))
    file = run.output / "run.safetensors"
    events: list[Event] = []

    def damage(event: Event) -> None:
        events.append(event)
        if isinstance(event, Phase) and event.phase == "verifying":
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)

    with pytest.raises(EngineError, match="do not hold what was trained"):
        follow(run, damage)
    assert [event.ok for event in of_type(events, Verified)] == [False]
    assert file.is_file()
    assert newest_checkpoint(run)[0] is not None


@pytest.mark.parametrize(("asked", "ends_as"), [("stop", Stopped), ("stop_now", Stopped), ("pause", Paused)])
def test_a_stop_exports_what_there_is_and_a_stop_at_once_or_a_pause_only_keeps_it(
    config: Callable[..., TrainConfig], tmp_path: Path, asked: Any, ends_as: type[Event]
) -> None:
    run = create_run(tmp_path, "run", config())

    def ask(event: Event) -> None:
        if isinstance(event, Step) and event.step == 2:
            run.request(asked)

    end = follow(run, ask)
    assert (type(end), end.step) == (ends_as, 2)
    assert (run.checkpoints / "000002" / "manifest.json").is_file()
    assert any(run.output.glob("*.safetensors")) == (asked == "stop")


@pytest.mark.slow
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    run = create_run(tmp_path, "run", config(run={"checkpointing_steps": 2}))
    follow(run, nothing)
    whole = last_files(run)
    (run.checkpoints / "000004" / "state.json").unlink()
    events: list[Event] = []
    follow(run, events.append)
    assert "000004 is damaged" in of_type(events, Warned)[0].message
    assert of_type(events, Step)[0].step == 3
    assert last_files(run) == whole


def test_class_images_are_taken_where_there_are_some_and_made_where_not(
    config: Callable[..., TrainConfig], tmp_path: Path, photos: Path
) -> None:
    real = tmp_path / "class"
    real.mkdir()
    shutil.copy(photos / "coffee.png", real / "cup.png")
    prior = {
        "with_prior_preservation": True,
        "class_prompt": "a photo of a cup",
        "class_data_dir": str(real),
        "num_class_images": 3,
    }
    run = create_run(tmp_path, "run", config(prior=prior, run={"train_batch_size": 2, "max_train_steps": 2}))
    events: list[Event] = []
    follow(run, events.append)
    assert [path.name for path in sorted(run.class_images.iterdir())] == ["0001.png", "0002.png"]
    assert [path.name for path in real.iterdir()] == ["cup.png"]
    priors = [step.prior_loss for step in of_type(events, Step)]
    assert all(prior is not None and prior > 0 for prior in priors)
    assert [(event.real, event.generated) for event in of_type(events, ClassImages)] == [(1, 2)]


def test_an_end_that_is_asked_for_while_the_model_loads_comes_before_the_rehearsal(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    run = create_run(tmp_path, "run", config(data={"cache_latents": False}))
    run.request("pause")
    events: list[Event] = []
    assert follow(run, events.append) == Paused(step=0)
    assert [event.phase for event in of_type(events, Phase)] == ["loading"]


def test_a_stop_at_once_is_heard_between_the_last_pictures_and_keeps_the_checkpoint(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    run = create_run(
        tmp_path,
        "run",
        config(run={"max_train_steps": 1}, sample={"num_validation_images": 3, "num_inference_steps": 1}),
    )
    pictures: list[Event] = []

    def stop_after_the_first(event: Event) -> None:
        if isinstance(event, Sample):
            pictures.append(event)
            run.request("stop_now")

    assert follow(run, stop_after_the_first) == Stopped(step=1)
    assert len(pictures) == 1 and not any(run.output.iterdir())
    assert newest_checkpoint(run)[0] is not None and not run.is_requested("stop_now")


def test_a_stop_is_heard_while_class_images_are_made(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    prior = {"with_prior_preservation": True, "class_prompt": "a photo of a cup", "num_class_images": 50}
    run = create_run(tmp_path, "run", config(prior=prior))

    def stop(event: Event) -> None:
        if event.type == "progress":
            run.request("stop")

    end = follow(run, stop)
    assert (end.type, end.step) == ("stopped", 0)
    assert len(list(run.class_images.iterdir())) == 1


@pytest.mark.parametrize(("asked", "ends_as"), [("stop", Stopped), ("pause", Paused)])
def test_an_end_is_heard_while_latents_are_cached(
    config: Callable[..., TrainConfig], tmp_path: Path, asked: Any, ends_as: type[Event]
) -> None:
    run = create_run(tmp_path, "run", config())
    events: list[Event] = []

    def ask(event: Event) -> None:
        events.append(event)
        if event.type == "progress":
            run.request(asked)

    end = follow(run, ask)
    assert (type(end), end.step) == (ends_as, 0)
    assert len(of_type(events, Progress)) == 1 and not any(run.output.iterdir())


def test_a_stop_while_class_images_are_made_exports_an_earlier_checkpoint(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    prior = {"with_prior_preservation": True, "class_prompt": "a photo of a cup", "num_class_images": 2}
    run = create_run(tmp_path, "run", config(prior=prior))
    follow(run, lambda event: pause_after(1)(run, event))
    assert not any(run.output.iterdir())
    (run.class_images / "0001.png").unlink()
    events: list[Event] = []

    def stop(event: Event) -> None:
        events.append(event)
        if event.type == "progress":
            run.request("stop")

    end = follow(run, stop)
    assert (end.type, end.step) == ("stopped", 1)
    assert [event.ok for event in of_type(events, Verified)] == [True]


def test_a_second_run_finds_latents_and_prompts_kept_and_ends_the_same_to_the_byte_without_the_vae(
    config: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_needed(*_: object) -> None:
        raise AssertionError("the VAE was loaded")

    def kept() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (tmp_path / ".cache").rglob("*.safetensors")}

    first, second = (create_run(tmp_path, name, config(run={"max_train_steps": 2})) for name in ("first", "second"))
    follow(first, nothing)
    before = kept()
    assert {path.parent.name for path in before} == {"latents", "prompts"}
    monkeypatch.setattr(load, "load_vae", not_needed)
    follow(second, nothing)
    assert kept() == before
    assert last_files(first) == last_files(second)


def test_the_frozen_models_own_answers_keep_the_class_known_without_any_pictures(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    prior = {"with_prior_preservation": True, "class_prompt": "a photo of a cup", "prior_target": "base_model"}
    run = create_run(tmp_path, "run", config(prior=prior, optimizer={"optimizer": "adamw", "learning_rate": 0.01}))
    events: list[Event] = []
    follow(run, events.append)
    priors = [step.prior_loss for step in of_type(events, Step)]
    assert priors[0] is not None and priors[0] < 1e-10, "the LoRA begins as nothing"
    assert all(prior is not None and prior > 1e-8 for prior in priors[1:])
    assert not of_type(events, ClassImages) and not run.class_images.exists()
