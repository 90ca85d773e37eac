"""Checkpoints while training goes on: written beside the loop, waited for where it matters, kept as asked."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import Tensor

from engine.config import RunSection, TrainConfig
from engine.errors import EngineError
from engine.events import Checkpoint, Event, Phase, Step, Warned
from engine.rundir import Ending, Request, RunDir, create_run
from engine.sizes import bytes_in
from engine.training import checkpointing as module
from engine.training.checkpointing import Checkpointing
from engine.training.checkpoints import load_checkpoint, save_checkpoint
from engine.training.manifest import checkpoint_folders, fault, newest_checkpoint
from engine.training.retention import reading
from tests.engine.made_checkpoints import checkpoint_at, flip_a_bit, no_file_over
from tests.engine.training import of_type, trainer_of

MANY_SECONDS = 60.0


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path, "run", TrainConfig())


class Kept(list[Event]):
    """Events, each with the thread that told it."""

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()

    def __call__(self, event: Event) -> None:
        self.append(event)
        self.threads.add(threading.current_thread())

    @property
    def checkpoints(self) -> list[int]:
        return [event.step for event in of_type(self, Checkpoint)]


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What is written beside the loop does not reach the disk until the event is set."""
    synced, sync = threading.Event(), os.fsync

    def fsync(descriptor: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert synced.wait(MANY_SECONDS)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    yield synced
    synced.set()


def save(checkpoints: Checkpointing, step: int, ending: Ending | None = None, is_last: bool = False) -> None:
    checkpoints.save(lambda: checkpoint_at(step), ending, is_last)


def steps_kept(run: RunDir) -> list[int]:
    return [int(folder.name) for folder in checkpoint_folders(run)]


def test_steps_go_on_while_a_checkpoint_is_written_and_it_is_told_once_it_is_in_place(
    run: RunDir, slow_disk: threading.Event
) -> None:
    told = Kept()
    with Checkpointing(run, RunSection(), told) as checkpoints:
        save(checkpoints, 5)
        checkpoints.tell()
        assert told == [] and newest_checkpoint(run) == (None, [])
        slow_disk.set()
        checkpoints.wait()
        assert told.checkpoints == [5] and told[0].path == "checkpoints/000005"  # type: ignore[attr-defined]
        assert fault(run.checkpoints / "000005") is None
        checkpoints.tell()
        assert told.checkpoints == [5], "once"
    assert told.threads == {threading.main_thread()}


def test_a_checkpoint_that_is_due_waits_for_the_one_before_so_there_is_one_copy_in_memory(
    run: RunDir, slow_disk: threading.Event
) -> None:
    told, before = Kept(), []

    def copy():
        before.append(fault(run.checkpoints / "000005"))
        return checkpoint_at(10)

    with Checkpointing(run, RunSection(), told) as checkpoints:
        save(checkpoints, 5)
        second = threading.Thread(target=lambda: checkpoints.save(copy, None, True))
        second.start()
        slow_disk.set()
        second.join(MANY_SECONDS)
    assert before == [None], "000005 was whole by then"
    assert told.checkpoints == [5, 10]


@pytest.mark.parametrize(("ending", "is_last"), [("stopped", False), ("paused", False), (None, True)])
def test_the_checkpoint_of_an_end_is_in_place_when_the_loop_goes_on(
    run: RunDir, ending: Ending | None, is_last: bool
) -> None:
    told = Kept()
    with Checkpointing(run, RunSection(), told) as checkpoints:
        save(checkpoints, 5, ending, is_last)
        assert told.checkpoints == [5] and fault(run.checkpoints / "000005") is None


def test_what_a_checkpoint_holds_is_of_its_step_however_late_it_is_written(
    config: Callable[..., TrainConfig], tmp_path: Path, slow_disk: threading.Event
) -> None:
    settings = config(run={"max_train_steps": 3, "checkpointing_steps": 1000}, sample={"num_validation_images": 0})
    run = create_run(tmp_path, "late", settings)
    after_one: dict[str, bytes] = {}

    def look(event: Event) -> None:
        if isinstance(event, Step) and event.step == 1:
            after_one.update(_bytes(trainer.weights().unet))
            run.request("checkpoint")
        if isinstance(event, Step) and event.step == 2:
            assert newest_checkpoint(run) == (None, [])
            slow_disk.set()

    trainer = trainer_of(run, settings, look)
    trainer.train()
    assert _bytes(load_checkpoint(run.checkpoints / "000001").weights.unet) == after_one
    assert _bytes(trainer.weights().unet) != after_one


def _bytes(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    return {key: tensor.numpy().tobytes() for key, tensor in tensors.items()}


def test_a_loop_that_fails_still_has_its_last_checkpoint(run: RunDir) -> None:
    told = Kept()
    with pytest.raises(ZeroDivisionError), Checkpointing(run, RunSection(), told) as checkpoints:
        save(checkpoints, 5)
        raise ZeroDivisionError
    assert told.checkpoints == [5] and newest_checkpoint(run)[0] == run.checkpoints / "000005"


def test_a_loop_that_fails_does_not_wait_for_a_disk_that_hangs(
    run: RunDir, slow_disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FINISHING_SECONDS", 0.0)
    told = Kept()
    with pytest.raises(ZeroDivisionError), Checkpointing(run, RunSection(), told) as checkpoints:
        save(checkpoints, 5)
        raise ZeroDivisionError
    assert told == [] and newest_checkpoint(run) == (None, [])


@pytest.mark.slow
def test_a_process_that_fails_ends_although_a_checkpoint_is_being_written(run: RunDir) -> None:
    program = """
import os, sys, threading
from pathlib import Path
from engine.config import RunSection
from engine.rundir import RunDir
from engine.training import checkpointing
from tests.engine.made_checkpoints import checkpoint_at

checkpointing.FINISHING_SECONDS = 0.1
os.fsync = lambda _descriptor: threading.Event().wait()
with checkpointing.Checkpointing(RunDir(Path(sys.argv[1])), RunSection(), print) as checkpoints:
    checkpoints.save(lambda: checkpoint_at(5), None, False)
    raise SystemExit(7)
"""
    command = [sys.executable, "-c", program, str(run.path)]
    assert subprocess.run(command, check=False, timeout=MANY_SECONDS).returncode == 7
    assert newest_checkpoint(run) == (None, [])


def test_a_failed_write_is_told_and_the_next_one_may_fare_better(run: RunDir) -> None:
    told = Kept()
    with Checkpointing(run, RunSection(), told) as checkpoints:
        with no_file_over(100):
            save(checkpoints, 5)
            checkpoints.wait()
        assert list(run.checkpoints.iterdir()) == []
        save(checkpoints, 10, is_last=True)
    [warning] = of_type(told, Warned)
    assert "step 5 could not be written" in warning.message and "training goes on" in warning.message
    assert told.checkpoints == [10]


@pytest.mark.parametrize(("ending", "is_last"), [("stopped_now", False), (None, True)])
def test_an_end_whose_checkpoint_cannot_be_written_is_a_failure(
    run: RunDir, ending: Ending | None, is_last: bool
) -> None:
    problem = r"step 5 could not be written: File too large.*Make room"
    with (
        pytest.raises(EngineError, match=problem),
        Checkpointing(run, RunSection(), Kept()) as checkpoints,
        no_file_over(100),
    ):
        save(checkpoints, 5, ending, is_last)
    assert list(run.checkpoints.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "keep_every", "kept"),
    [
        (2, None, [60, 50]),
        (1, None, [60]),
        (2, 30, [60, 50, 30]),
        (1, 20, [60, 40, 20]),
        (100, 20, [60, 50, 40, 30, 20, 10]),
        (None, None, [60, 50, 40, 30, 20, 10]),
    ],
)
def test_the_newest_are_kept_and_those_at_multiples(
    run: RunDir, limit: int | None, keep_every: int | None, kept: list[int]
) -> None:
    section = RunSection(checkpoints_total_limit=limit, checkpoints_keep_every=keep_every)
    with Checkpointing(run, section, Kept()) as checkpoints:
        for step in range(10, 70, 10):
            save(checkpoints, step)
        checkpoints.wait()
    assert steps_kept(run) == kept
    assert {path.name for path in run.checkpoints.iterdir()} == {f"{step:06d}" for step in kept}


def test_checkpoints_are_due_by_steps_by_minutes_and_on_request(run: RunDir) -> None:
    seconds = [0.0]
    section = RunSection(checkpointing_steps=50, checkpoints_keep_every=30, checkpointing_minutes=10)
    with Checkpointing(run, section, Kept(), clock=lambda: seconds[0]) as checkpoints:
        assert [step for step in range(1, 101) if checkpoints.due(step)] == [30, 50, 60, 90, 100]
        run.request("checkpoint")
        assert [checkpoints.due(step) for step in (101, 102)] == [True, False]
        seconds[0] = 600.0
        assert checkpoints.due(103)
        save(checkpoints, 103)
        assert not checkpoints.due(104), "minutes are counted from the last one"


def test_a_damaged_checkpoint_is_not_one_of_those_that_are_kept(run: RunDir) -> None:
    for step in (10, 20, 30):
        save_checkpoint(run, checkpoint_at(step))
    flip_a_bit(run.checkpoints / "000030" / "optimizer.safetensors")
    with Checkpointing(run, RunSection(checkpoints_total_limit=2), Kept()) as checkpoints:
        save(checkpoints, 40)
        checkpoints.wait()
    assert steps_kept(run) == [40, 30, 20]


def test_a_folder_of_another_name_is_none_of_the_runs_business(run: RunDir) -> None:
    shutil.copytree(save_checkpoint(run, checkpoint_at(10)), run.checkpoints / "000010 (copy)")
    with Checkpointing(run, RunSection(checkpoints_total_limit=1), Kept()) as checkpoints:
        save(checkpoints, 20)
        checkpoints.wait()
    assert {path.name for path in run.checkpoints.iterdir()} == {"000020", "000010 (copy)"}


def test_what_is_being_read_is_kept_until_the_next_time(run: RunDir) -> None:
    with Checkpointing(run, RunSection(checkpoints_total_limit=1), Kept()) as checkpoints:
        save(checkpoints, 10)
        checkpoints.wait()
        with reading(run):
            save(checkpoints, 20)
            checkpoints.wait()
            assert steps_kept(run) == [20, 10]
        save(checkpoints, 30)
        checkpoints.wait()
    assert steps_kept(run) == [30]


def test_a_removal_that_is_interrupted_leaves_nothing_that_looks_whole(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Kept()

    def interrupted(_folder: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError

    with Checkpointing(run, RunSection(checkpoints_total_limit=1), told) as checkpoints:
        save(checkpoints, 10)
        checkpoints.wait()
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", interrupted)
            save(checkpoints, 20)
            checkpoints.wait()
        assert steps_kept(run) == [20] and len(list(run.checkpoints.iterdir())) == 2
        save(checkpoints, 30)
        checkpoints.wait()
    assert [path.name for path in run.checkpoints.iterdir()] == ["000030"]
    assert told.checkpoints == [10, 20, 30], "each was written"


def test_a_run_that_was_asked_to_end_takes_no_time_to_remove_any(run: RunDir) -> None:
    save_checkpoint(run, checkpoint_at(10))
    with Checkpointing(run, RunSection(checkpoints_total_limit=1), Kept()) as checkpoints:
        save(checkpoints, 20, "stopped")
    assert steps_kept(run) == [20, 10]


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 8 MiB of its own; where none may be mounted, a folder that is taken for one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "loratui-test", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
    else:
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2**23 - bytes_in(disk)))
        yield disk


@pytest.fixture
def full(small_disk: Path) -> tuple[RunDir, Path]:
    """A run on a disk that is full, and the file that fills it."""
    run = create_run(small_disk, "run", TrainConfig())
    filler = small_disk / "filler"
    filler.write_bytes(bytes(2**23 - 2**19))
    return run, filler


def test_a_full_disk_holds_the_run_until_there_is_room(full: tuple[RunDir, Path]) -> None:
    run, filler = full
    told = Kept()

    def make_room(event: Event) -> None:
        told(event)
        if event == Phase(phase="waiting"):
            assert list(run.checkpoints.iterdir()) == [], "not half a file"
            filler.unlink()

    with Checkpointing(run, RunSection(), make_room) as checkpoints:
        save(checkpoints, 5)
        checkpoints.wait()
    warning, waiting, training, _ = told
    assert isinstance(warning, Warned)
    assert warning.message.startswith("The checkpoint of step 5 needs 1 MB, and ")
    assert f"are free in {run.checkpoints}. The run waits" in warning.message
    assert (waiting, training) == (Phase(phase="waiting"), Phase(phase="training"))
    assert told.checkpoints == [5] and fault(run.checkpoints / "000005") is None


def test_a_disk_that_fills_while_a_checkpoint_is_written_is_left_as_it_was(
    full: tuple[RunDir, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, filler = full
    if not filler.parent.is_mount():
        pytest.skip("no disk may be mounted here; a write that fails is tested without one, too")
    with filler.open("ab") as file:
        file.write(bytes(shutil.disk_usage(filler).free - 2**12))  # a page is left
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2**30))  # as it was before the write
    told = Kept()
    with Checkpointing(run, RunSection(), told) as checkpoints:
        save(checkpoints, 5)
        checkpoints.wait()
        assert list(run.checkpoints.iterdir()) == []
        filler.unlink()
        save(checkpoints, 10)
        checkpoints.wait()
    [warning] = of_type(told, Warned)
    assert warning.message.startswith("The checkpoint of step 5 could not be written: No space left on device.")
    assert told.checkpoints == [10]


@pytest.mark.parametrize("request_", ["stop", "stop_now", "pause"])
def test_a_run_that_waits_for_room_hears_that_it_is_to_end(full: tuple[RunDir, Path], request_: Request) -> None:
    run, _ = full
    told = Kept()

    def ask(event: Event) -> None:
        told(event)
        if isinstance(event, Phase):
            run.request(request_)

    told_last = r"step 5 needs 1 MB, and .* Make room on the disk, then resume"
    with pytest.raises(EngineError, match=told_last), Checkpointing(run, RunSection(), ask) as checkpoints:
        save(checkpoints, 5)
    assert list(run.checkpoints.iterdir()) == list(run.control.iterdir()) == []
    assert [event.type for event in told] == ["warning", "phase"]


def test_a_run_that_was_asked_to_end_does_not_wait_for_room(full: tuple[RunDir, Path]) -> None:
    run, _ = full
    told = Kept()
    with Checkpointing(run, RunSection(), told) as checkpoints, pytest.raises(EngineError, match="Make room"):
        save(checkpoints, 5, "stopped")
    assert told == []


def written_at_once(event: Event) -> None:
    assert isinstance(event, Checkpoint), "or it would wait for ever"


def test_a_full_disk_is_first_relieved_of_what_is_not_to_be_kept(full: tuple[RunDir, Path]) -> None:
    run, filler = full
    older, _ = (save_checkpoint(run, checkpoint_at(step)) for step in (3, 4))
    filler.rename(older / "filler")
    with Checkpointing(run, RunSection(checkpoints_total_limit=1), written_at_once) as checkpoints:
        save(checkpoints, 5, is_last=True)
    assert steps_kept(run) == [5]


def test_what_a_killed_worker_left_half_written_takes_no_room(full: tuple[RunDir, Path]) -> None:
    run, filler = full
    (run.checkpoints / ".000003.tmp").mkdir()
    filler.rename(run.checkpoints / ".000003.tmp" / "optimizer.safetensors")
    with Checkpointing(run, RunSection(), written_at_once) as checkpoints:
        save(checkpoints, 5, is_last=True)
    assert steps_kept(run) == [5]
