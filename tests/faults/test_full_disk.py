"""No room on the disk, or no right to write, wherever a run writes: no half file looks whole, and the end is the same.

An operation fails as the system makes it fail: from the name's creation, or in the middle of the file.
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.events import Failed, Phase, Warned
from engine.rundir import RunDir
from tests.faults.checks import as_listed
from tests.faults.conftest import Create, Record
from tests.faults.runs import last_files
from tests.faults.workers import Workers
from tests.run_events import events_of

pytestmark = pytest.mark.slow
NO_ROOM = "No space left on device"
EQUAL = "finished; final files equal to the byte"
EVERY_TIME = 0


def test_where_a_run_can_do_without_it_goes_on(
    forking: Workers, create: Create, reference: RunDir, outcome: Record
) -> None:
    run = create()
    places = {
        "the latents' cache": "create .cache/latents/*",
        "events.jsonl": "write the second half of dog/events.jsonl step *",
        "status.json": "create dog/#*",
        "a checkpoint": "write the second half of dog/checkpoints/.000004.tmp/*",
        "the sample pictures": "write dog/samples/#*",
    }
    assert forking.work(run, "|".join(places.values()), occurrence=EVERY_TIME, error=errno.ENOSPC) == 0
    warned = [event.message for event in events_of(run) if isinstance(event, Warned)]
    log = run.log_file.read_text().strip()
    said = {
        "the latents' cache": f"Latents cannot be kept in {run.path.parent / '.cache' / 'latents'} ({NO_ROOM}): "
        "the run goes on, but slower.",
        "events.jsonl": f"Events or status cannot be written: {NO_ROOM}. Make room on the disk.",
        "status.json": f"Events or status cannot be written: {NO_ROOM}. Make room on the disk.",
        "a checkpoint": f"The checkpoint of step 4 could not be written: {NO_ROOM}. "
        "Make room on the disk; training goes on.",
        "the sample pictures": f"No sample pictures at step 4: OSError: [Errno 28] {NO_ROOM}",
    }
    assert all(sentence in (*warned, log) for sentence in said.values()), (warned, log)
    assert '"starting"' in (run.path / "status.json").read_text(), "as the launcher left it"
    assert as_listed(run)["state"] == "finished", "told by the last event"
    assert last_files(run) == last_files(reference)
    assert not list(run.path.parent.rglob(".*.tmp"))
    for place, sentence in said.items():
        outcome(f"disk full in {place}", 1, EQUAL, sentence)


def test_where_it_cannot_it_fails_in_two_sentences_and_with_room_again_ends_the_same(
    forking: Workers, create: Create, reference: RunDir, outcome: Record
) -> None:
    run = create()
    faults = [
        ("class images", "write dog/class_images/#*", errno.ENOSPC, "Make room on the disk"),
        ("read-only output folder", "create dog/output/*", errno.EROFS, "make the run's folder writable"),
        ("the last checkpoint", "create dog/checkpoints/.000008.tmp/*", errno.ENOSPC, "Make room on the disk"),
        ("export", "write the second half of dog/output/#*", errno.ENOSPC, "Make room on the disk"),
    ]
    before: dict[str, bytes] = {}
    for place, point, number, remedy in faults:
        assert forking.work(run, point, occurrence=EVERY_TIME, error=number) == 1
        row, end = as_listed(run), events_of(run)[-1]
        assert row["state"] == "failed" and isinstance(end, Failed)
        assert row["message"] == f"{end.problem} {end.remedy}"
        assert os.strerror(number) in end.problem and remedy in end.remedy, row["message"]
        assert not list(run.output.glob("[!.]*")), "nothing that looks whole"
        after = finished_files(run)
        assert before.items() <= after.items(), "nothing finished is lost"
        before = after
        fault = place if number == errno.EROFS else f"disk full in {place}"
        outcome(fault, 1, f"failed; resumed, {EQUAL}", f"{end.problem} {end.remedy}")
    assert forking.work(run) == 0
    assert as_listed(run)["state"] == "finished"
    assert last_files(run) == last_files(reference)
    assert not list(run.path.parent.rglob(".*.tmp"))


@pytest.fixture
def disk_of_its_own(tmp_path: Path) -> Iterator[None]:
    """The runs' folder is a disk of 32 MiB, where one may be mounted."""
    runs = tmp_path / "runs"
    runs.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "loratui-test", str(runs)]
    is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield
    if is_mounted:
        subprocess.run(["umount", "--lazy", str(runs)], check=True)


@pytest.mark.usefixtures("disk_of_its_own")
def test_where_there_is_no_room_for_a_checkpoint_the_run_waits_for_it(
    forking: Workers, create: Create, reference: RunDir, outcome: Record
) -> None:
    run = create()
    after_one = "rename dog/checkpoints/.000002.tmp -> 000002"
    assert forking.work(run, after_one, trouble="fill_the_disk_until_that_is_said") == 0
    [told] = [event.message for event in events_of(run) if isinstance(event, Warned)]
    assert told.startswith("The checkpoint of step 4 needs ") and told.endswith(
        f" are free in {run.checkpoints}. The run waits: make room on the disk, and it goes on."
    )
    phases = [event.phase for event in events_of(run) if isinstance(event, Phase)]
    assert phases[phases.index("waiting") + 1] == "training"
    assert as_listed(run)["state"] == "finished"
    assert last_files(run) == last_files(reference)
    outcome("no room for a checkpoint on a small disk", 1, f"waited until there was; {EQUAL}", told)


def finished_files(run: RunDir) -> dict[str, bytes]:
    """Class images and pictures: what a run has made once, but for checkpoints, of which older ones go."""
    files = (path for folder in (run.class_images, run.samples) for path in folder.glob("[!.]*"))
    return {str(path): path.read_bytes() for path in files if path.is_file()}
