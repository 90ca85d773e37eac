"""Checkpoints are whole or passed over, and give back exactly what was put in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.rundir import RunDir, create_run
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.manifest import fault, newest_checkpoint
from engine.training.weights import EMBEDDINGS_FILE, LORA_FILE
from tests.engine.made_checkpoints import checkpoint_at, flip_a_bit, no_file_over
from tests.engine.training import Train


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path, "run", TrainConfig())


def test_what_is_read_is_what_was_written_to_the_bit(run: RunDir) -> None:
    saved = checkpoint_at(5)
    folder = save_checkpoint(run, saved)
    assert folder == run.checkpoints / "000005"
    loaded = load_checkpoint(folder)
    assert loaded.state == saved.state
    assert loaded.weights.tokens == saved.weights.tokens
    assert torch.equal(loaded.weights.unet["block.to_q.lora_A.weight"], saved.weights.unet["block.to_q.lora_A.weight"])
    assert loaded.optimizer[1] == saved.optimizer[1]
    assert {key: tensor.tolist() for key, tensor in loaded.optimizer[0].items()} == {
        key: tensor.tolist() for key, tensor in saved.optimizer[0].items()
    }


def test_a_checkpoint_holds_all_that_changes_while_a_run_goes_on(train: Train) -> None:
    """Rates and draws are functions of the step, so they are not in it."""
    trainer, _ = train("run", optimizer={"optimizer": "prodigy"}, run={"checkpointing_steps": 3})
    saved = load_checkpoint(trainer.run.checkpoints / "000003")
    assert (saved.state.step, saved.state.pivoted) == (3, True)
    assert (saved.state.num_threads, saved.state.num_processes) == (torch.get_num_threads(), 1)

    assert set(saved.weights.unet) == set(trainer.weights().unet)
    assert saved.weights.tokens == {"TOK": ("<s0>", "<s1>")}
    rows = [rows for rows in (saved.weights.clip_l, saved.weights.clip_g) if rows is not None]
    assert [len(each) for each in rows] == [2, 2]

    tensors, scalars = saved.optimizer
    averages = ("exp_avg", "exp_avg_sq", "s", "p0")
    assert set(tensors) == {f"{group}.0.{key}" for group in ("unet", "text") for key in averages}
    assert [group["name"] for group in scalars["groups"]] == ["unet", "text"]
    for group in scalars["groups"]:
        assert group["k"] == 3 and {"d", "d0", "d_max", "d_numerator", "lr", "initial_lr"} <= set(group)


def test_the_manifest_proves_every_file(run: RunDir) -> None:
    folder = save_checkpoint(run, checkpoint_at(5))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["step"] == 5
    assert set(manifest["files"]) == {LORA_FILE, EMBEDDINGS_FILE, "optimizer.safetensors", "state.json"}
    for name, proof in manifest["files"].items():
        assert proof["size"] == (folder / name).stat().st_size
    assert fault(folder) is None


def test_the_newest_is_found_by_number(run: RunDir) -> None:
    assert newest_checkpoint(run) == (None, [])
    for step in (999_999, 1_000_000, 5):
        save_checkpoint(run, checkpoint_at(step))
    assert newest_checkpoint(run) == (run.checkpoints / "1000000", [])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip_a_bit(folder / LORA_FILE),
        lambda folder: (folder / "optimizer.safetensors").write_bytes(b""),
        lambda folder: (folder / "state.json").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text('{"version": 1, "fil'),
        lambda folder: (folder / "manifest.json").write_text('{"version": 99}'),
        lambda folder: (folder / "manifest.json").write_text('{"version": 2, "files": 3}'),
        lambda folder: (folder / EMBEDDINGS_FILE).unlink(),
    ],
    ids=[
        "flipped bit",
        "emptied file",
        "lost file",
        "no manifest",
        "torn manifest",
        "newer version",
        "no files",
        "lost tokens",
    ],
)
def test_a_damaged_checkpoint_is_passed_over_and_named(run: RunDir, damage: Callable[[Path], object]) -> None:
    good, bad = save_checkpoint(run, checkpoint_at(5)), save_checkpoint(run, checkpoint_at(10))
    damage(bad)
    found, passed_over = newest_checkpoint(run)
    assert found == good
    [message] = passed_over
    assert message.startswith("The checkpoint 000010 is damaged")


def test_what_a_killed_worker_left_half_written_is_no_checkpoint(run: RunDir) -> None:
    good = save_checkpoint(run, checkpoint_at(5))
    torn = run.checkpoints / ".000010.tmp"
    good.rename(torn)
    assert newest_checkpoint(run) == (None, [])
    save_checkpoint(run, checkpoint_at(15))
    assert not torn.exists(), "its megabytes are given back, whatever step the next checkpoint is of"


def test_a_write_that_fails_leaves_the_disk_as_it_was(run: RunDir) -> None:
    good = save_checkpoint(run, checkpoint_at(5))
    with no_file_over(100), pytest.raises(OSError):
        save_checkpoint(run, checkpoint_at(10))
    assert list(run.checkpoints.iterdir()) == [good]


def test_a_whole_checkpoint_of_the_same_step_is_kept_and_a_damaged_one_replaced(run: RunDir) -> None:
    folder = save_checkpoint(run, checkpoint_at(5))
    inode = (folder / LORA_FILE).stat().st_ino
    save_checkpoint(run, checkpoint_at(5))
    assert (folder / LORA_FILE).stat().st_ino == inode
    flip_a_bit(folder / LORA_FILE)
    save_checkpoint(run, checkpoint_at(5))
    assert fault(folder) is None


def test_a_checkpoint_that_cannot_be_read_is_told_in_two_sentences(run: RunDir) -> None:
    folder = save_checkpoint(run, checkpoint_at(5))
    (folder / "state.json").write_text("{}")
    with pytest.raises(EngineError) as error:
        load_checkpoint(folder)
    assert error.value.problem and error.value.remedy
