"""The training loop: what moves and what does not, resumed to the bit, and what it says on the way."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Checkpoint, Event, Phase, Pivot, Sample, Skipped, Step, Warned
from engine.models.load import Models
from engine.rundir import RunDir, create_run
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.step import training_loss
from engine.training.trainer import Trainer
from tests.engine.training import (
    OPTIMIZERS,
    PIVOT,
    STEPS,
    Flags,
    Train,
    frozen_of,
    last_files,
    lora_of,
    of_type,
    pause_after,
    rows_of,
    trainer_of,
)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_new_tokens_move_until_the_pivot_and_not_by_one_bit_after(
    config: Callable[..., TrainConfig], tmp_path: Path, optimizer: str
) -> None:
    settings = config(optimizer={"optimizer": optimizer})
    rows, loras = [], []

    def look(event: Event) -> None:
        if isinstance(event, Step):
            rows.append(rows_of(trainer.models))
            loras.append(lora_of(trainer.models.unet))

    trainer = trainer_of(create_run(tmp_path, "run", settings), settings, look)
    before = rows_of(trainer.models)
    trainer.train()
    assert len({before, *rows[:PIVOT]}) == PIVOT + 1
    assert set(rows[PIVOT:]) == {rows[PIVOT - 1]}
    assert len(set(loras)) == STEPS


def test_the_pivot_is_told_and_the_text_encoders_then_run_once_for_each_caption(
    config: Callable[..., TrainConfig], tmp_path: Path, photos: Path
) -> None:
    (photos / "cat.txt").write_text("TOK, asleep")
    settings = config()
    calls, told = [0], []

    def look(event: Event) -> None:
        if isinstance(event, Step | Pivot):
            told.append((event.type, event.step, calls[0]))

    trainer = trainer_of(create_run(tmp_path, "run", settings), settings, look)
    trainer.models.text_encoder.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    trainer.train()
    assert told == [
        ("step", 1, 1),
        ("step", 2, 2),
        ("pivot", 2, 2),
        ("step", 3, 4),
        ("step", 4, 4),
    ]


def test_nothing_else_in_the_base_model_moves(plain: tuple[Trainer, list[Event]], tiny_models: Models) -> None:
    trainer, pristine = plain[0], tiny_models
    before, after = frozen_of(pristine), frozen_of(trainer.models)
    grown = [name for name in before if name.endswith("token_embedding.weight")]
    assert len(grown) == 2, "both tables grow by the new tokens' places, so their old rows are compared"
    for name in grown:
        part, _, path = name.partition(".")
        old, new = (getattr(models, part).get_parameter(path) for models in (pristine, trainer.models))
        assert torch.equal(old, new[: len(old)])
    assert {name: before[name] for name in before if name not in grown} == {
        name: after[name] for name in after if name not in grown
    }


def test_text_encoder_lora_trains_instead_until_its_share_of_the_steps(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(
        text_encoder={"train_text_encoder": True, "train_text_encoder_ti": False, "train_text_encoder_frac": 0.5}
    )
    loras = []

    def look(event: Event) -> None:
        if isinstance(event, Step):
            loras.append(lora_of(trainer.models.text_encoder) + lora_of(trainer.models.text_encoder_2))

    trainer = trainer_of(create_run(tmp_path, "run", settings), settings, look)
    trainer.train()
    assert len(set(loras[:PIVOT])) == PIVOT
    assert set(loras[PIVOT:]) == {loras[PIVOT - 1]}
    assert rows_of(trainer.models) == b""


def test_with_no_text_training_captions_are_encoded_once_before_the_first_step(train: Train) -> None:
    trainer, events = train("run", text_encoder={"train_text_encoder_ti": False})
    assert [event.phase for event in of_type(events, Phase)] == ["caching", "training"]
    assert set(of_type(events, Step)[0].lr) == {"unet"}
    assert trainer.weights().tokens == {}


def test_a_run_is_a_function_of_its_config_and_seed(train: Train, plain: tuple[Trainer, list[Event]]) -> None:
    first, _ = plain
    second, _ = train("second")
    third, _ = train("third", run={"seed": 1})
    assert last_files(first.run) == last_files(second.run)
    assert last_files(first.run) != last_files(third.run)


PRIOR: Flags = {"prior": {"with_prior_preservation": True, "class_prompt": "a photo of a cup", "num_class_images": 4}}
TEXT_ENCODER: Flags = {"text_encoder": {"train_text_encoder": True, "train_text_encoder_frac": 0.5}}


BASE_MODEL: Flags = {
    "prior": {"with_prior_preservation": True, "class_prompt": "a photo of a cup", "prior_target": "base_model"}
}
BUCKETS: Flags = {
    "data": {
        "aspect_ratio_buckets": True,
        "caption_dropout_rate": 0.3,
        "shuffle_caption": True,
        "keep_tokens": 0,
        "repeats": 2,
    },
    "concept": {"instance_prompt": "TOK, a cat, on a sofa, asleep"},
    "loss": {"masked_loss": True, "noise_offset": 0.1},
    "run": {"train_batch_size": 2, "gradient_accumulation_steps": 2},
}
DRAWN: Flags = {"data": {"cache_latents": False}, "lora": {"use_dora": True}, "text_encoder": {"clip_skip": 1}}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="new tokens"),
        pytest.param(TEXT_ENCODER, id="text-encoder LoRA", marks=pytest.mark.slow),
        pytest.param(PRIOR, id="prior preservation", marks=pytest.mark.slow),
        pytest.param(BASE_MODEL, id="the base model as prior", marks=pytest.mark.slow),
        pytest.param(BUCKETS, id="buckets, masks, and captions dropped and shuffled", marks=pytest.mark.slow),
        pytest.param(DRAWN, id="crops drawn anew", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_byte_for_byte_as_one_that_never_paused(
    train: Train, photos: Path, more: Flags, optimizer: str
) -> None:
    """Paused once before the pivot, and once after it."""
    sections = {name: {**values} for name, values in more.items()}
    sections["optimizer"] = {"optimizer": optimizer, "lr_scheduler": "cosine"}
    if more is PRIOR:
        sections["prior"]["class_data_dir"] = str(photos)

    whole, events = train("whole", **sections)
    parts: list[Event] = []
    for step in (PIVOT - 1, PIVOT + 1, STEPS):
        resumed, part = train("paused", seen=pause_after(PIVOT - 1, PIVOT + 1), **sections)
        assert resumed.step == step
        parts += part
    assert last_files(resumed.run) == last_files(whole.run)

    def told(events: list[Event]) -> list[tuple[object, ...]]:
        return [(step.step, step.loss, step.lr, step.d, step.grad_norm) for step in of_type(events, Step)]

    assert told(parts) == told(events)
    assert len(of_type(parts, Pivot)) == 1


@pytest.mark.parametrize(
    ("field", "told"), [("num_threads", "CPU threads (99, and "), ("num_processes", "processes (99, and 1 now)")]
)
def test_a_resume_that_adds_up_in_another_order_is_told(
    train: Train, config: Callable[..., TrainConfig], field: str, told: str
) -> None:
    run = train("run", run={"max_train_steps": 1})[0].run
    checkpoint = load_checkpoint(run.checkpoints / "000001")
    save_checkpoint(run, replace(checkpoint, state=replace(checkpoint.state, step=2, **{field: 99})))
    events: list[Event] = []
    trainer_of(run, config(), events.append)
    [warning] = of_type(events, Warned)
    assert f"another number of {told}" in warning.message


def test_a_checkpoint_in_float32_goes_on_in_fp16(train: Train) -> None:
    train("run", seen=pause_after(1), run={"max_train_steps": 2})
    trainer, events = train("run", run={"max_train_steps": 2, "mixed_precision": "fp16"})
    assert trainer.scaler.is_enabled()
    assert [event.step for event in of_type(events, Step)] == [2]


def test_accumulated_micro_batches_are_one_batch(train: Train) -> None:
    rates = {"optimizer": "adamw", "learning_rate": 1e-3}
    exact = {"lora_dropout": 0.0}  # its masks are drawn for each micro-batch
    one, events = train("one", optimizer=rates, lora=exact, run={"train_batch_size": 4})
    halved = {"train_batch_size": 2, "gradient_accumulation_steps": 2}
    two, halves = train("two", optimizer=rates, lora=exact, run=halved)
    for first, second in zip(of_type(events, Step), of_type(halves, Step), strict=True):
        assert first.epoch == second.epoch == first.step, "four photos in each"
        assert first.loss == pytest.approx(second.loss, rel=1e-4)
        assert first.grad_norm == pytest.approx(second.grad_norm, rel=1e-3)
    for ours, theirs in zip(one.groups, two.groups, strict=True):
        torch.testing.assert_close(ours.tensors, theirs.tensors, rtol=0, atol=5e-4)


def test_recomputed_activations_give_the_same_weights(train: Train, plain: tuple[Trainer, list[Event]]) -> None:
    checkpointed, _ = train("checkpointed", run={"gradient_checkpointing": True})
    assert checkpointed.models.unet.is_gradient_checkpointing
    assert last_files(plain[0].run) == last_files(checkpointed.run)


def test_trained_weights_are_float32_on_a_bf16_base(train: Train) -> None:
    trainer, events = train("run", run={"mixed_precision": "bf16"}, sample={"num_validation_images": 1})
    assert trainer.models.unet.dtype == torch.bfloat16
    assert {tensor.dtype for group in trainer.groups for tensor in group.tensors} == {torch.float32}
    assert all(math.isfinite(step.loss) for step in of_type(events, Step))
    assert of_type(events, Sample) and not of_type(events, Warned)


def test_a_step_is_a_function_of_weights_batch_noise_and_timesteps(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """Against the method written out: the UNet's answer to the noised latents, its error, min-SNR by sample."""
    settings = config()
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings)
    models, batch = trainer.models, trainer.batches.batch(0, 3)
    with torch.no_grad():
        prompt_embeds, pooled = trainer.prompts.encode(batch.captions)
        loss = training_loss(models, batch, prompt_embeds, pooled, settings).total.item()
        alpha_bar = models.noise_scheduler.alphas_cumprod.double()[batch.timesteps][:, None, None, None]
        noisy = alpha_bar.sqrt() * batch.latents.double() + (1 - alpha_bar).sqrt() * batch.noise.double()
        conditions = {"text_embeds": pooled, "time_ids": batch.time_ids}
        answer = models.unet(noisy.float(), batch.timesteps, prompt_embeds, added_cond_kwargs=conditions).sample
    errors = ((answer.double() - batch.noise.double()) ** 2).mean(dim=(1, 2, 3))
    ratio = (alpha_bar / (1 - alpha_bar)).flatten()
    expected = (errors * ratio.clamp(max=5.0) / ratio).mean().item()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_steps_tell_everything(plain: tuple[Trainer, list[Event]]) -> None:
    steps = of_type(plain[1], Step)
    assert [step.step for step in steps] == list(range(1, STEPS + 1))
    assert [step.lr for step in steps] == [{"unet": 1.0, "text": 1.0}] * PIVOT + [{"unet": 1.0, "text": 0.0}] * PIVOT
    assert all(step.d and step.effective_lr == step.d for step in steps)
    assert all(step.seconds > 0 and step.samples_per_second > 0 and step.memory is None for step in steps)


def test_checkpoints_come_at_their_steps_and_at_the_end(train: Train) -> None:
    _, events = train("run", run={"checkpointing_steps": 3})
    assert [(event.step, event.path) for event in of_type(events, Checkpoint)] == [
        (3, "checkpoints/000003"),
        (4, "checkpoints/000004"),
    ]


def test_a_checkpoint_and_pictures_can_be_asked_for(train: Train) -> None:
    def ask(run: RunDir, event: Event) -> None:
        if isinstance(event, Step) and event.step == 2:
            run.request("checkpoint")
            run.request("sample")

    trainer, events = train("run", seen=ask, sample={"num_validation_images": 2})
    assert [event.step for event in of_type(events, Checkpoint)] == [2, 4]
    assert [event.path for event in of_type(events, Sample)] == [
        "samples/000002-0.png",
        "samples/000002-1.png",
        "samples/000004-0.png",
        "samples/000004-1.png",
    ]
    assert all((trainer.run.path / event.path).is_file() for event in of_type(events, Sample))


def test_pictures_change_nothing_about_the_training(train: Train, plain: tuple[Trainer, list[Event]]) -> None:
    with_pictures, events = train("with", sample={"num_validation_images": 1, "validation_steps": 1})
    assert [event.step for event in of_type(events, Sample)] == [1, 2, 3, 4]
    assert last_files(plain[0].run) == last_files(with_pictures.run)


@pytest.mark.parametrize(
    ("asked", "at", "pictures"),
    [
        ("pause", 1, [1]),
        ("stop", 1, []),
        ("stop_now", 1, []),
        ("pause", 2, [1, 2]),
        ("stop", 2, [1, 2]),
        ("stop_now", 2, [1]),
    ],
)
def test_pictures_that_are_due_come_before_a_pause_and_with_the_last_step_unless_all_is_to_end_at_once(
    train: Train, asked: Any, at: int, pictures: list[int]
) -> None:
    def ask(run: RunDir, event: Event) -> None:
        if isinstance(event, Step) and event.step == at:
            run.request(asked)

    sample = {"num_validation_images": 1, "validation_steps": 1}
    trainer, events = train("run", seen=ask, run={"max_train_steps": 2}, sample=sample)
    assert trainer.step == at
    assert [event.step for event in of_type(events, Sample)] == pictures


def test_a_failed_picture_is_a_warning(train: Train) -> None:
    def block(run: RunDir, event: Event) -> None:
        if isinstance(event, Step) and event.step == 1:
            run.samples.rmdir()
            run.samples.write_text("in the way")

    trainer, events = train(
        "run", seen=block, run={"max_train_steps": 2}, sample={"num_validation_images": 1, "validation_steps": 1}
    )
    assert [warning.message[:29] for warning in of_type(events, Warned)] == [
        "No sample pictures at step 1:",
        "No sample pictures at step 2:",
    ]
    assert trainer.step == 2


def test_a_checkpoint_that_cannot_be_written_is_a_warning_until_the_last_one(train: Train) -> None:
    def block(run: RunDir, event: Event) -> None:
        if isinstance(event, Step) and event.step == 1:
            run.checkpoints.rmdir()
            run.checkpoints.write_text("in the way")
        if isinstance(event, Warned):
            run.checkpoints.unlink()

    _, events = train("run", seen=block, run={"max_train_steps": 3, "checkpointing_steps": 1})
    [warning] = of_type(events, Warned)
    assert "step 1 could not be written" in warning.message
    assert [event.step for event in of_type(events, Checkpoint)] == [2, 3]


def test_checkpoints_come_by_the_minute_too(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    settings = config(run={"checkpointing_minutes": 1.5, "max_train_steps": 6})
    events: list[Event] = []

    def clock() -> float:
        return 40.0 * len(of_type(events, Step))  # seconds: 40 for each step

    trainer_of(create_run(tmp_path, "run", settings), settings, events.append, clock).train()
    assert [event.step for event in of_type(events, Checkpoint)] == [3, 6]


def answer_with_nan(_module: torch.nn.Module, _arguments: Any, output: Any) -> Any:
    output.sample = output.sample * float("nan")
    return output


def test_after_max_skipped_steps_in_a_row_the_run_ends_and_names_its_last_good_checkpoint(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(run={"max_train_steps": 30, "max_skipped_steps": 3, "checkpointing_steps": 2})
    events: list[Event] = []
    hooks = []

    def spoil(event: Event) -> None:
        events.append(event)
        if isinstance(event, Step) and event.step in (1, 4):
            hooks.append(trainer.models.unet.register_forward_hook(answer_with_nan))
        if isinstance(event, Skipped) and event.step == 3:
            hooks[0].remove()

    trainer = trainer_of(create_run(tmp_path, "run", settings), settings, spoil)
    with pytest.raises(EngineError, match=r"3 steps in a row.*that of step 6\. Start a new run"):
        trainer.train()
    assert [(event.type, event.step) for event in events if isinstance(event, Step | Skipped)] == [
        ("step", 1),
        ("skipped", 2),
        ("skipped", 3),
        ("step", 4),
        ("skipped", 5),
        ("skipped", 6),
        ("skipped", 7),
    ]
    named = {name for event in of_type(events, Skipped) for name in event.photos}
    assert named <= {"astronaut.png", "cat.png", "coffee.png", "rocket.png"} and len(named) > 1
    assert all(torch.isfinite(tensor).all() for group in trainer.groups for tensor in group.tensors)
