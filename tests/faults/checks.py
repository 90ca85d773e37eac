"""What must hold of a run whatever happened to it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from engine.events import Checkpoint, Started
from engine.rundir import ENDING_STATES, RunDir, State
from engine.training.manifest import checkpoint_folders, fault, newest_checkpoint
from loratui.command_line import app
from tests.faults.runs import last_files
from tests.run_events import events_of

GONE = (
    "Its process was killed, or the machine went down or ran out of memory. "
    "Go on from the last checkpoint with `loratui resume`."
)
DIED = f"The run dog died: {GONE}"


def as_listed(run: RunDir) -> dict[str, object]:
    """What `loratui runs --json` says of a run."""
    listed = CliRunner().invoke(app, ["runs", "--json", "--runs-dir", str(run.path.parent)])
    [row] = [row for row in json.loads(listed.stdout)["runs"] if row["name"] == run.name]
    return row


def told(run: RunDir) -> str:
    """What `loratui attach` says at last of a run that has ended."""
    shown = CliRunner().invoke(app, ["attach", run.name, "--runs-dir", str(run.path.parent)])
    return [line for line in shown.stderr.splitlines() if line.startswith(f"The run {run.name} ")][-1]


def check_killed(run: RunDir, reference: RunDir) -> None:
    """After a kill: `runs` tells the truth, what was finished is there and whole, and nothing half-written is seen."""
    assert not run.is_alive()
    listed = as_listed(run)
    assert (listed["state"], listed["message"]) == _truth(run)
    assert listed["state"] != "died" or told(run) == DIED
    assert not [folder for folder in checkpoint_folders(run) if fault(folder)]
    newest, passed_over = newest_checkpoint(run)
    announced = [event.step for event in events_of(run) if isinstance(event, Checkpoint)]
    assert int(newest.name if newest else 0) >= max(announced, default=0)
    assert not passed_over
    for path in _visible_files(run):
        expected = reference.path.parent / path.relative_to(run.path.parent)
        assert not expected.exists() or path.read_bytes() == expected.read_bytes(), path


def check_as_if_nothing_had_been(run: RunDir, reference: RunDir) -> None:
    """A finished run: the tensors of its end and its exported files equal the reference's, byte for byte.

    No worker of it began behind a checkpoint that an earlier one had announced.
    """
    assert as_listed(run)["state"] == "finished", f"{run.status().message}\n{run.log_file.read_text()}"
    assert last_files(run) == last_files(reference)
    newest = 0
    for event in events_of(run):
        if isinstance(event, Checkpoint):
            newest = max(newest, event.step)
        if isinstance(event, Started):
            assert event.step >= newest
    assert not run.log_file.exists() or "Traceback" not in run.log_file.read_text()


def _truth(run: RunDir) -> tuple[State, str | None]:
    """The state of a run whose worker was killed, from the last thing that it said."""
    if (run.path / "status.json").read_text().find('"starting"') > 0:  # not yet a word of the worker's
        return "starting", None
    said = events_of(run)
    ended = ENDING_STATES.get(type(said[-1])) if said else None
    return (ended, None) if ended else ("died", GONE)


def _visible_files(run: RunDir) -> list[Path]:
    """What a user may come upon: all but events, status, log, lock, and hidden temporary files."""
    folders = (run.checkpoints, run.samples, run.class_images, run.output, run.path.parent / ".cache")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if not any(part.startswith(".") for part in path.parts[-3:] if part != ".cache")]
