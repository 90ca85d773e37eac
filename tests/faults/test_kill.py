"""SIGKILL at every named point of a run: nothing finished is lost, `runs` tells the truth, and a resume ends the same.

Each run here is killed again and again, at one point after another, and resumed each time; so resumes of resumes are
tried too.
"""

import shutil
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from engine.rundir import RunDir
from tests.faults.checks import DIED, check_as_if_nothing_had_been, check_killed
from tests.faults.conftest import Create, Record
from tests.faults.runs import age_status
from tests.faults.workers import Workers

pytestmark = pytest.mark.slow
EVENT = "write the second half of dog/events.jsonl "
RESUMED = "resumed; what was finished is there, final tensors and files are equal to the byte"
NEVER_BEGAN = (
    "Its process ended before it began to work: killed, or with an error that its log tells. "
    "Start it again with `loratui resume`."
)
KillAtEach = Callable[..., int]


@pytest.fixture
def kill_at_each(forking: Workers, reference: RunDir, create: Create) -> KillAtEach:
    """Kill a new run at each of `points` in turn, and right `after` the last, resuming it in between; let it finish."""

    def kill_at_each(points: Sequence[str], after: int = 0) -> int:
        run = create()
        moments = [(point, 0) for point in points] + [(points[-1], later) for later in range(1, after + 1)]
        for point, later in moments:
            assert forking.work(run, point, later=later) == -signal.SIGKILL, f"no worker came to: {point}"
            check_killed(run, reference)
        assert forking.work(run) == 0
        check_as_if_nothing_had_been(run, reference)
        return len(moments)

    return kill_at_each


def with_one_of(points: Iterable[str], *parts: str) -> list[str]:
    """Those with one of `parts`, each once, in the order in which a run comes to them.

    Syncs are left out: what is on the disk before one is what is there before the change that follows.
    """
    found = [point for point in dict.fromkeys(points) if any(part in point for part in parts)]
    return [point for point in found if not point.startswith("sync ")]


def renamed_to(points: Iterable[str]) -> set[str]:
    """The files, and folders, that come to be at `points`."""
    return {point.split(" -> ")[1] for point in points if " -> " in point}


def test_at_the_beginning_of_each_phase(kill_at_each: KillAtEach, points: list[str], outcome: Record) -> None:
    phases = with_one_of(points, "write dog/events.jsonl phase ")
    assert {point.split()[-1] for point in phases} == {
        *("loading", "class_images", "caching", "rehearsal", "training", "sampling", "exporting", "verifying")
    }
    outcome("SIGKILL at the beginning of each phase", kill_at_each(phases), RESUMED, told=DIED)


def test_in_the_middle_of_each_kind_of_event(kill_at_each: KillAtEach, points: list[str], outcome: Record) -> None:
    kinds = {point.removeprefix(EVENT).split()[0]: point for point in reversed(points) if point.startswith(EVENT)}
    assert set(kinds) >= {
        *("started", "phase", "progress", "class_images", "rehearsed", "step", "checkpoint", "pivot", "sample"),
        *("verified", "finished"),
    }
    tries = kill_at_each([point for point in dict.fromkeys(points) if point in kinds.values()])
    outcome("SIGKILL in the middle of a line of events.jsonl, of each kind", tries, RESUMED, told=DIED)


def test_at_every_file_of_a_checkpoint(kill_at_each: KillAtEach, points: list[str], outcome: Record) -> None:
    """Before, inside and after each; before and after the folder gets its name."""
    checkpoint = with_one_of(points, "dog/checkpoints/.000004.tmp")
    files = ("pytorch_lora_weights.safetensors", "embeddings.safetensors", "optimizer.safetensors", "state.json")
    assert renamed_to(checkpoint) == {*files, "manifest.json", "000004"}
    tries = kill_at_each(checkpoint, after=1)
    outcome("SIGKILL before, inside and after every file of a checkpoint", tries, RESUMED, told=DIED)


def test_while_a_superseded_checkpoint_is_removed(kill_at_each: KillAtEach, points: list[str], outcome: Record) -> None:
    removal = ["rename dog/checkpoints/000002 -> #", "unlink dog/checkpoints/#/state.json", "rmdir dog/checkpoints/#"]
    assert set(removal) < set(points)
    outcome("SIGKILL while an old checkpoint is removed", kill_at_each(removal), RESUMED, told=DIED)


def test_at_every_file_of_the_export(kill_at_each: KillAtEach, points: list[str], outcome: Record) -> None:
    export = [point for point in with_one_of(points, "dog/output/") if ".rehearsal" not in point]
    assert renamed_to(export) == {
        *("pytorch_lora_weights.safetensors", "dog.safetensors", "dog_emb.safetensors", "README.md")
    }
    tries = kill_at_each(export, after=1)
    outcome("SIGKILL before, inside and after every file of the export", tries, RESUMED, told=DIED)


def test_at_the_other_files_of_a_run(kill_at_each: KillAtEach, points: list[str], outcome: Record) -> None:
    """Class images, cached latents, sample pictures: before, inside and after the first; some of the rehearsal's."""
    rehearsal = with_one_of(points, "/.rehearsal.tmp")
    others = with_one_of(points, "mkdir dog/class_", "mkdir .cache/latents", "dog/class_images/#1", "dog/samples/#1")
    others += [point for point in with_one_of(points, ".cache/latents/#1") if point.split(" -> ")[0].endswith("#1")]
    others += rehearsal[len(rehearsal) // 8 :: len(rehearsal) // 4]
    tries = kill_at_each([point for point in dict.fromkeys(points) if point in others])
    outcome(
        "SIGKILL at class images, cached latents, files of the rehearsal, and sample pictures",
        tries,
        RESUMED,
        told=DIED,
    )


def test_before_a_worker_has_said_a_word(forking: Workers, create: Create, reference: RunDir, outcome: Record) -> None:
    """It counts as starting, for a bounded time: a launched worker cannot be told from one that is still to come."""
    run = create()
    silent = ("create dog/run.lock", "create dog/events.jsonl", "rename dog/#1 -> status.json")
    for point in silent:
        assert forking.work(run, point) == -signal.SIGKILL
        check_killed(run, reference)
        assert run.status().state == "starting"
        age_status(run, seconds=200)
        assert (run.status().state, run.status().message) == ("died", NEVER_BEGAN)
    assert forking.work(run) == 0
    check_as_if_nothing_had_been(run, reference)
    outcome(
        "SIGKILL before the worker has said a word",
        len(silent),
        f"starting for 3 minutes, then died; {RESUMED}",
        told=NEVER_BEGAN,
    )


def test_between_telling_the_end_and_writing_it_down(
    forking: Workers, create: Create, reference: RunDir, tmp_path: Path, outcome: Record
) -> None:
    """What a worker has said is true, also where it could not write its status any more."""
    run = create()
    assert forking.work(run, "write dog/events.jsonl phase exporting") == -signal.SIGKILL
    moments = (1, 3, 5)  # before, inside and after the last status.json
    for later in moments:
        copy = RunDir(shutil.copytree(run.path.parent, tmp_path / f"copy{later}") / "dog")
        assert forking.work(copy, f"{EVENT}finished 8", later=later) == -signal.SIGKILL
        check_killed(copy, reference)
        check_as_if_nothing_had_been(copy, reference)
    outcome("SIGKILL between the end and its status.json", len(moments), "the run is finished, and `runs` says so")
