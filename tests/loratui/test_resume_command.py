"""A run goes on only with what it was trained on, or with changes that somebody saw and agreed to."""

import json
import subprocess
from pathlib import Path

import pytest

from curation.dataset import open_dataset, save_captions
from engine.config import TrainConfig, compose
from engine.data.examples import read_examples
from engine.fingerprint import take_fingerprint
from engine.launcher import wait
from engine.plan import resolve
from engine.rundir import LORA_FILE, RunDir, Status, create_run
from engine.training.manifest import OPTIMIZER, STATE, write_manifest
from tests.loratui.program import answer_in_a_terminal, run_loratui


@pytest.fixture
def config(photos: Path) -> TrainConfig:
    flags = {
        "data": {"instance_data_dir": str(photos), "resolution": 64},
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": "tiny"},
        "run": {"max_train_steps": 10},
    }
    return resolve(compose(flags=flags).config)


@pytest.fixture
def run(config: TrainConfig, tmp_path: Path) -> RunDir:
    """A paused run with a checkpoint of step 5, whose tensors nobody could load."""
    run = create_run(tmp_path / "runs", "her", config)
    fingerprint = take_fingerprint(config, read_examples(config)).to_json()
    write_checkpoint(run, 5, {"step": 5, "fingerprint": fingerprint})
    run.write_status(Status(state="paused", step=5, total_steps=10))
    return run


def write_checkpoint(run: RunDir, step: int, state: dict[str, object]) -> Path:
    folder = run.checkpoints / f"{step:06d}"
    folder.mkdir()
    for file in (LORA_FILE, OPTIMIZER):
        (folder / file).write_bytes(bytes(100))
    (folder / STATE).write_text(json.dumps(state))
    write_manifest(folder, step, (LORA_FILE, OPTIMIZER, STATE))
    return folder


def resume(run: RunDir, *arguments: str, command: str = "resume") -> subprocess.CompletedProcess[str]:
    return run_loratui(command, run.name, "--detach", "--runs-dir", run.path.parent, *arguments)


def answered(run: RunDir, answer: str, *arguments: str) -> tuple[int, str]:
    """Resume in a terminal where the question is answered; returns the exit code and all that was shown."""
    return answer_in_a_terminal(answer, "resume", run.name, "--detach", "--runs-dir", run.path.parent, *arguments)


@pytest.mark.parametrize("command", ["resume", "continue"])
def test_a_change_of_what_is_learned_is_shown_and_refused_where_nobody_can_be_asked(run: RunDir, command: str) -> None:
    before = run.config_file.read_bytes()
    done = resume(run, "--set", "optimizer.max_grad_norm=0.5", "--set", "sample.guidance_scale=3", command=command)
    assert done.returncode == 2
    learned = done.stderr.partition("and it changes what is learned:\n")[2]
    assert learned.startswith("  optimizer.max_grad_norm\n  - 1.0\n  + 0.5\n")
    assert "  sample.guidance_scale\n  - 5.0\n  + 3.0\n" in done.stderr.removesuffix(learned)
    assert "--force" in done.stderr
    assert run.config_file.read_bytes() == before and run.status().state == "paused"


def test_captions_and_photos_that_changed_are_shown_whole_and_as_they_are_written(run: RunDir, photos: Path) -> None:
    caption = "TOK [red]asleep[/red] \x1b[31m" + "on a very long sofa " * 20
    save_captions(open_dataset(photos), {"cat.png": caption.strip()})
    (photos / "rocket.png").unlink()
    done = resume(run)
    assert done.returncode == 2
    assert "  caption of cat.png\n  - a photo of TOK\n  + TOK [red]asleep[/red] " in done.stderr
    assert "on a very long sofa " * 19 in done.stderr and "\x1b[31m" not in done.stderr
    assert "  photo rocket.png (removed)\n  - a photo of TOK\n" in done.stderr


def test_what_the_checkpoint_does_not_fit_is_refused_even_when_forced(run: RunDir) -> None:
    done = resume(run, "--force", "--set", "lora.rank=8")
    assert done.returncode == 2
    assert "cannot go on with another lora.rank" in done.stderr and "--init-from" in done.stderr


def test_a_question_is_answered_with_no_by_default(run: RunDir) -> None:
    code, shown = answered(run, "", "--set", "run.seed=7")
    assert code == 1 and "run.seed" in shown and "Aborted" in shown
    assert run.config().run.seed == 0 and run.status().state == "paused"


def test_photos_that_are_gone_with_their_folder_are_said_before_anything_loads(run: RunDir, photos: Path) -> None:
    photos.rename(photos.with_name("moved"))
    done = resume(run, "--force")
    assert done.returncode == 2
    assert f"there is no folder {photos}" in done.stderr and "--set data.instance_data_dir=FOLDER" in done.stderr
    assert run.status().state == "paused"


def test_a_value_that_fits_no_setting_is_refused(run: RunDir) -> None:
    done = resume(run, "--set", "run.train_batch_size=0")
    assert done.returncode == 2 and "run.train_batch_size = 0 does not fit" in done.stderr


def test_fewer_steps_than_are_done_are_refused_even_when_forced(run: RunDir) -> None:
    done = resume(run, "--force", "--set", "run.max_train_steps=4")
    assert done.returncode == 2
    assert "is at step 5 already, and max_train_steps is 4" in done.stderr and "loratui export" in done.stderr
    assert run.config().run.max_train_steps == 10


@pytest.mark.parametrize("setting", ["sync_to=rsync:/nowhere/at/all", "notify_command=/no/such/program"])
def test_where_to_copy_and_whom_to_tell_are_checked_where_they_are_changed(run: RunDir, setting: str) -> None:
    done = resume(run, "--set", f"run.{setting}")
    assert done.returncode == 2 and setting.partition("=")[0] in done.stderr
    assert run.config().run.sync_to is None and run.status().state == "paused"


def test_damaged_checkpoints_are_named_and_the_run_does_not_begin_again_unasked(run: RunDir) -> None:
    newest = write_checkpoint(run, 8, {"step": 8})
    (newest / LORA_FILE).write_bytes(b"")
    named = resume(run, "--set", "run.seed=7")
    assert "000008 is damaged and was passed over" in named.stderr and "checkpoint of step 5" in named.stderr
    (run.checkpoints / "000005" / STATE).unlink()
    again = resume(run)
    assert again.returncode == 2
    assert "None of her's checkpoints is whole: it would begin again at step 0." in again.stderr
    assert "agree with --force, or put one back from a copy." in again.stderr


@pytest.mark.slow
def test_what_was_agreed_to_or_is_harmless_is_written_down_and_the_worker_starts(run: RunDir) -> None:
    code, shown = answered(run, "y", "--set", "run.seed=7")
    assert code == 0, shown
    assert run.config().run.seed == 7
    assert wait(run).state == "failed", "nobody could load that checkpoint"
    for number, arguments in enumerate((["--set", "run.seed=8", "--force"], ["--set", "run.seed=0"])):
        done = resume(run, *arguments)
        assert done.returncode == 0, done.stderr
        assert run.config().run.seed == (8, 0)[number]
        assert wait(run).state == "failed"


@pytest.mark.slow
def test_a_checkpoint_from_before_fingerprints_goes_on_and_says_that_nothing_was_compared(run: RunDir) -> None:
    write_checkpoint(run, 6, {"step": 6})
    done = resume(run, "--set", "run.seed=7")
    assert done.returncode == 0 and "nothing can be compared" in done.stderr
    assert wait(run).state == "failed"
