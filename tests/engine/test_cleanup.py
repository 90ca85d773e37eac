"""What goes is what nobody needs; what a run can go on from stays."""

import os
import time
from pathlib import Path

import pytest

from engine.cleanup import find_waste, remove_run, remove_waste
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.rundir import LORA_FILE, RunDir, State, Status, create_run, list_runs
from engine.training.manifest import OPTIMIZER, STATE, newest_checkpoint, write_manifest

DAYS = 30.0


def add_run(runs: Path, name: str, state: State, checkpoints: int = 0) -> RunDir:
    """A run with checkpoints at 100, 200, ... whose manifests hold."""
    run = create_run(runs, name, TrainConfig())
    for number in range(1, checkpoints + 1):
        folder = run.checkpoints / f"{100 * number:06d}"
        folder.mkdir()
        for file in (LORA_FILE, OPTIMIZER, STATE):
            (folder / file).write_bytes(bytes(1000))
        write_manifest(folder, 100 * number, (LORA_FILE, OPTIMIZER, STATE))
    run.write_status(Status(state=state))
    return run


def damage(run: RunDir, step: int) -> None:
    (run.checkpoints / f"{step:06d}" / OPTIMIZER).write_bytes(b"")


def clean(runs: Path, keep: int = 1) -> None:
    for waste in find_waste(runs, keep, DAYS):
        remove_waste(waste)


def steps(run: RunDir) -> list[int]:
    return sorted(int(path.name) for path in run.checkpoints.iterdir())


@pytest.mark.parametrize(("keep", "kept"), [(0, []), (1, [400]), (3, [200, 300, 400]), (9, [100, 200, 300, 400])])
def test_of_a_finished_run_the_newest_checkpoints_stay(tmp_path: Path, keep: int, kept: list[int]) -> None:
    run = add_run(tmp_path, "done", "finished", checkpoints=4)
    clean(tmp_path, keep)
    assert steps(run) == kept


@pytest.mark.parametrize("state", ["stopped", "paused", "failed", "running"])  # running without a worker: died
def test_an_unfinished_run_keeps_what_it_can_go_on_from(tmp_path: Path, state: State) -> None:
    run = add_run(tmp_path, "open", state, checkpoints=4)
    damage(run, 400)
    clean(tmp_path, keep=0)
    assert steps(run) == [300, 400]
    assert newest_checkpoint(run)[0] == run.checkpoints / "000300"


def test_where_no_checkpoint_is_whole_all_stay(tmp_path: Path) -> None:
    run = add_run(tmp_path, "open", "failed", checkpoints=2)
    damage(run, 100)
    damage(run, 200)
    clean(tmp_path)
    assert steps(run) == [100, 200]


def test_a_run_that_goes_on_is_left_alone_and_the_caches_with_it(tmp_path: Path) -> None:
    run = add_run(tmp_path, "live", "running", checkpoints=3)
    old_file(tmp_path / ".cache" / "latents" / "a.safetensors")
    with run.lock():
        assert find_waste(tmp_path, 1, DAYS) == []
    run.write_status(Status(state="starting"))
    assert find_waste(tmp_path, 1, DAYS) == []


def test_a_run_that_was_resumed_meanwhile_keeps_its_checkpoints(tmp_path: Path) -> None:
    run = add_run(tmp_path, "open", "stopped", checkpoints=2)
    [waste] = find_waste(tmp_path, 1, DAYS)
    with run.lock(), pytest.raises(EngineError, match="already being worked on"):
        remove_waste(waste)
    assert steps(run) == [100, 200]


def old_file(path: Path, days: float = DAYS + 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(500))
    then = time.time() - 86400 * days
    os.utime(path, (then, then))
    return path


def test_caches_go_when_nothing_read_them_for_long(tmp_path: Path) -> None:
    add_run(tmp_path, "done", "finished")
    unused = [old_file(tmp_path / ".cache" / kind / "a.safetensors") for kind in ("latents", "prompts")]
    written_lately = old_file(tmp_path / ".cache" / "latents" / "b.safetensors", days=2)
    read_lately = old_file(tmp_path / ".cache" / "latents" / "c.safetensors")
    os.utime(read_lately, (time.time(), read_lately.stat().st_mtime))
    found = find_waste(tmp_path, 1, DAYS)
    assert [(waste.kind, waste.paths, waste.size) for waste in found] == [("cache", (path,), 500) for path in unused]
    clean(tmp_path)
    assert written_lately.exists() and read_lately.exists() and not any(path.exists() for path in unused)


def test_caches_of_runs_that_are_all_gone_go_at_once(tmp_path: Path) -> None:
    fresh = old_file(tmp_path / ".cache" / "latents" / "a.safetensors", days=0)
    clean(tmp_path)
    assert not fresh.exists()


def test_what_a_kill_left_half_written_goes(tmp_path: Path) -> None:
    run = add_run(tmp_path, "open", "running", checkpoints=1)
    (run.checkpoints / ".000200.tmp").mkdir()
    (run.checkpoints / ".000200.tmp" / OPTIMIZER).write_bytes(bytes(70))
    old_file(run.samples / ".0123.tmp")
    being_written = old_file(run.output / ".4567.tmp", days=0)
    (tmp_path / ".89ab.tmp" / "checkpoints").mkdir(parents=True)  # a removal that was killed
    found = find_waste(tmp_path, 1, DAYS)
    assert [waste.kind for waste in found] == ["unfinished"] * 3
    assert sum(waste.size for waste in found) == 70 + 500
    clean(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["open"] and steps(run) == [100]
    assert being_written.exists() and not list(run.samples.iterdir())


def test_a_removed_run_is_gone_with_all_that_it_held(tmp_path: Path) -> None:
    run = add_run(tmp_path, "done", "finished", checkpoints=2)
    remove_run(run)
    assert list(tmp_path.iterdir()) == []


def test_a_removed_run_on_another_disk_goes_with_the_link_to_it(tmp_path: Path) -> None:
    far = add_run(tmp_path / "scratch", "far", "finished")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "near").symlink_to(far.path)
    [run] = list_runs(tmp_path / "runs")
    remove_run(run)
    assert list((tmp_path / "runs").iterdir()) == list((tmp_path / "scratch").iterdir()) == []


def test_a_removal_that_is_killed_leaves_nothing_that_looks_like_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = add_run(tmp_path, "done", "finished", checkpoints=2)

    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cleanup.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_run(run)
    monkeypatch.undo()
    assert list_runs(tmp_path) == []
    clean(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_goes_on_is_not_removed(tmp_path: Path) -> None:
    run = add_run(tmp_path, "live", "running")
    with run.lock(), pytest.raises(EngineError, match="is going on") as caught:
        remove_run(run)
    assert "loratui stop" in caught.value.remedy and run.config_file.exists()


def test_a_folder_that_only_has_a_config_toml_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\n")
    with pytest.raises(EngineError, match="is not a run"):
        remove_run(RunDir(tmp_path))
    assert (tmp_path / "config.toml").exists()
