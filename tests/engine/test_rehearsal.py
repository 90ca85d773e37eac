"""The dress rehearsal: what would fail at the end fails before the first step, and nothing of it is left."""

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Checkpoint, Event, Phase, Rehearsed, Sample, Step
from engine.recipe import follow
from engine.rundir import RunDir, create_run
from engine.training.checkpoints import save_checkpoint
from engine.training.rehearsal import rehearse
from engine.training.trainer import Trainer
from tests.engine.training import OPTIMIZERS, STEPS, Flags, Train, last_files, of_type, pause_after, trainer_of

PICTURES = {"sample": {"num_validation_images": 1}}


def files_of(trainer: Trainer, folder: Path) -> dict[str, bytes]:
    """All that a resume needs, as bytes."""
    saved = save_checkpoint(RunDir(folder), trainer.checkpoint())
    return {path.name: path.read_bytes() for path in saved.iterdir()}


@pytest.mark.parametrize(
    "sections",
    [*({"optimizer": {"optimizer": name}} for name in OPTIMIZERS), {"run": {"mixed_precision": "fp16"}}],
    ids=[*OPTIMIZERS, "fp16"],
)
@pytest.mark.parametrize("pauses", [(), (3,)], ids=["a new run", "a resumed run"])
def test_it_leaves_everything_as_it_was_to_the_bit(
    config: Callable[..., TrainConfig], tmp_path: Path, train: Train, sections: Flags, pauses: tuple[int, ...]
) -> None:
    settings = config(**PICTURES, **sections)
    run = create_run(tmp_path / "runs", "run", settings)
    if pauses:
        train("run", seen=pause_after(*pauses), **sections)
    trainer = trainer_of(run, settings)
    trainer.prepare()
    before, random_state = files_of(trainer, tmp_path / "before"), torch.get_rng_state()
    tensors = [tensor for group in trainer.groups for tensor in group.tensors]
    grads = [tensor.grad for tensor in tensors]
    there = sorted(run.path.rglob("*"))

    rehearsed = rehearse(trainer)

    assert rehearsed.seconds_per_step > 0
    assert rehearsed.remaining_seconds == rehearsed.seconds_per_step * (STEPS - trainer.step)
    assert rehearsed.memory is None
    assert files_of(trainer, tmp_path / "after") == before
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(tensor.grad is grad for tensor, grad in zip(tensors, grads, strict=True))
    assert all(not grad.any() for grad in grads if grad is not None)
    assert sorted(run.path.rglob("*")) == there


def test_a_run_that_was_rehearsed_ends_byte_for_byte_as_one_that_was_not(
    config: Callable[..., TrainConfig], tmp_path: Path, plain: tuple[Trainer, list[Event]]
) -> None:
    """Also resumed, which rehearses again."""
    settings = config()
    run = create_run(tmp_path, "run", settings)
    events: list[Event] = []

    def look(event: Event) -> None:
        events.append(event)
        pause_after(1)(run, event)

    follow(run, look)
    follow(run, look)
    assert last_files(run) == last_files(plain[0].run)
    assert [event.type for event in events if isinstance(event, Rehearsed | Step)] == [
        "rehearsed",
        "step",
        "rehearsed",
        *["step"] * (STEPS - 1),
    ]
    assert not of_type(events, Sample)


def test_a_run_whose_steps_are_all_done_is_not_rehearsed(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    run = create_run(tmp_path, "run", config(run={"max_train_steps": 1}))
    trainer_of(run, run.config()).train()
    events: list[Event] = []
    assert follow(run, events.append).type == "finished"
    assert not of_type(events, Rehearsed) and "rehearsal" not in [event.phase for event in of_type(events, Phase)]


def follow_to_failure(config: TrainConfig, folder: Path, spoil: Callable[[RunDir], None]) -> tuple[str, list[Event]]:
    run = create_run(folder, "run", config)
    events: list[Event] = []
    spoil(run)
    with pytest.raises(EngineError) as caught:
        follow(run, events.append)
    assert not of_type(events, Step) and not of_type(events, Checkpoint)
    assert not list(folder.rglob(".rehearsal*"))
    return str(caught.value), events


def test_it_takes_a_step_of_the_run_so_that_no_further_photo_is_encoded(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    """Also where the run ends before it has seen the largest bucket."""
    run = create_run(tmp_path, "run", config(data={"aspect_ratio_buckets": True}, run={"max_train_steps": 1}))
    latents: list[int] = []

    def look(event: Event) -> None:
        if isinstance(event, Phase):
            latents.append(len(list((tmp_path / ".cache" / "latents").glob("*"))))

    follow(run, look)
    assert latents[-1] == 1


def test_a_full_gpu_is_left_to_the_run_which_tells_what_would_fit(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(**PICTURES)
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings)

    def fill(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    trainer.models.vae.decoder.register_forward_hook(fill)
    with pytest.raises(torch.OutOfMemoryError):
        rehearse(trainer)


def test_the_step_with_the_largest_pictures_is_found_wherever_it_is(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = config(data={"aspect_ratio_buckets": True}, run={"gradient_accumulation_steps": 2})
    trainer = trainer_of(create_run(tmp_path, "run", settings), settings)

    def pixels(step: int) -> int:
        shapes = [trainer.batches.batch(2 * step + place, 1).latents.shape for place in range(2)]
        return max(height * width for _, _, height, width in shapes)

    for steps in (range(12), range(5, 7), range(3, 4)):
        assert trainer.batches.largest(steps) == max(steps, key=pixels)


def test_an_output_folder_that_takes_no_files_fails_before_the_first_step(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    def block(run: RunDir) -> None:
        run.output.rmdir()
        run.output.write_text("in the way")

    message, _ = follow_to_failure(config(), tmp_path, block)
    assert message.startswith("The rehearsal failed at the export: Not a directory.")
    assert "make the run's folder writable" in message


def test_a_picture_that_cannot_be_made_fails_before_the_first_step(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    def block(run: RunDir) -> None:
        shutil.rmtree(run.samples)
        run.samples.write_text("in the way")

    message, _ = follow_to_failure(config(**PICTURES), tmp_path, block)
    assert message.startswith("The rehearsal failed at a sample picture: Not a directory.")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: a write that does fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_cannot_hold_a_checkpoint_fails_before_the_first_step(
    config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    with files_of_at_most(100_000):
        message, _ = follow_to_failure(config(), tmp_path, lambda _: None)
    assert message.startswith("The rehearsal failed at a checkpoint: File too large. Make room on the disk")
