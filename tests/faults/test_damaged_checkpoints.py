"""Checkpoints that are not what was written: passed over and named, and never begun again at step 0 unasked."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.events import Failed, Started, Warned
from engine.rundir import RunDir, Status
from engine.training.manifest import checkpoint_folders, newest_checkpoint
from loratui.command_line import app
from tests.faults.checks import as_listed
from tests.faults.conftest import Record
from tests.faults.runs import STEPS, last_files
from tests.faults.workers import Workers
from tests.loratui.program import run_loratui
from tests.run_events import events_of

pytestmark = pytest.mark.slow
FILES = (
    *("pytorch_lora_weights.safetensors", "embeddings.safetensors", "optimizer.safetensors", "state.json"),
    "manifest.json",
)
Damage = Callable[[Path], object]


@pytest.fixture
def run(reference: RunDir, tmp_path: Path) -> RunDir:
    """The reference with its last two checkpoints, as if it had died after its last step, before the export."""
    shutil.copytree(reference.path.parent, tmp_path / "runs")
    run = RunDir(tmp_path / "runs" / reference.name)
    for file in run.output.iterdir():
        file.unlink()
    run.events_file.unlink()
    run.write_status(Status(state="running", step=STEPS, total_steps=STEPS))
    assert [folder.name for folder in checkpoint_folders(run)] == ["000008", "000006"]
    return run


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def put_a_folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()


def damages(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every way to damage it, and what is done."""
    of_a_file: dict[str, Damage] = {
        "a flipped bit": flip_a_bit,
        "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
        "empty": lambda file: file.write_bytes(b""),
        "missing": Path.unlink,
        "a folder": put_a_folder_in_its_place,
    }
    for name in FILES:
        for what, damage in of_a_file.items():
            yield f"{name}: {what}", lambda damage=damage, name=name: damage(folder / name)
    manifest = json.loads((folder / "manifest.json").read_text())
    for what, content in (
        ("of a newer version", {**manifest, "version": 99}),
        ("of another shape", {**manifest, "files": [1]}),
        ("no object", []),
        ("without files", {**manifest, "files": {}}),
    ):
        yield f"manifest {what}", lambda content=content: (folder / "manifest.json").write_text(json.dumps(content))


def test_each_damage_is_found_and_named_and_the_older_one_taken(run: RunDir, outcome: Record) -> None:
    newest, older = checkpoint_folders(run)
    whole = shutil.copytree(newest, run.path / "whole")
    tries, told = 0, ""
    for what, damage in damages(newest):
        damage()
        found, [told] = newest_checkpoint(run)
        assert found == older, what
        assert told.startswith("The checkpoint 000008 is damaged and was passed over: "), what
        shutil.rmtree(newest)
        shutil.copytree(whole, newest)
        tries += 1
    assert newest_checkpoint(run) == (newest, [])
    outcome("a checkpoint with a flipped bit, truncated, a missing file", tries, "passed over for the older one", told)


def test_from_the_older_one_the_end_is_the_same(
    forking: Workers, run: RunDir, reference: RunDir, outcome: Record
) -> None:
    flip_a_bit(checkpoint_folders(run)[0] / "optimizer.safetensors")
    assert as_listed(run)["state"] == "died"
    assert forking.work(run) == 0
    events = events_of(run)
    assert [event.step for event in events if isinstance(event, Started)] == [6]
    [told] = [event.message for event in events if isinstance(event, Warned)]
    assert told == (
        "The checkpoint 000008 is damaged and was passed over: optimizer.safetensors is not what was written."
    )
    assert as_listed(run)["state"] == "finished"
    assert last_files(run) == last_files(reference)
    outcome("the newest checkpoint with a flipped bit", 1, "resumed from the older one; final files equal", told)


def test_where_none_is_whole_nothing_begins_again_unasked(
    forking: Workers, run: RunDir, outcome: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in checkpoint_folders(run):
        flip_a_bit(folder / "pytorch_lora_weights.safetensors")
    before = {path: path.read_bytes() for path in run.checkpoints.rglob("*") if path.is_file()}
    assert forking.work(run) == 1
    end = events_of(run)[-1]
    assert isinstance(end, Failed)
    assert "None of the checkpoints of dog is whole: it would begin again at step 0." in end.problem
    assert "--force" in end.remedy
    row = as_listed(run)
    assert (row["state"], row["message"]) == ("failed", f"{end.problem} {end.remedy}")
    resume = ["resume", "dog", "--runs-dir", str(run.path.parent), "--detach"]
    refused = run_loratui(*resume)
    assert refused.returncode and "begin again at step 0" in refused.stderr and "--force" in refused.stderr
    assert {path: path.read_bytes() for path in run.checkpoints.rglob("*") if path.is_file()} == before
    outcome("every checkpoint damaged", 2, "refused, with nothing touched", row["message"])

    launched: list[RunDir] = []
    monkeypatch.setattr("engine.start.launch", launched.append)
    agreed = CliRunner().invoke(app, [*resume, "--force"])
    assert agreed.exit_code == 0, agreed.stderr
    assert launched and newest_checkpoint(run) == (None, []), "it would begin again"
    kept = {path.read_bytes() for path in run.checkpoints.rglob("*") if path.is_file()}
    assert kept == set(before.values()), "and they are kept"
    assert forking.work(run) == 0
    said = [event.message for event in events_of(run) if isinstance(event, Warned)]
    assert any("agreed to begin again at step 0" in message for message in said)
