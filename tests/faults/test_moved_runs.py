"""A run folder that was moved or copied, also while its run went on, to where the photos lie elsewhere."""

from pathlib import Path

import pytest

from engine.events import Started
from engine.rundir import RunDir
from engine.start import prepare_resumption, resume_run
from tests.faults.checks import as_listed
from tests.faults.conftest import Create, Record
from tests.faults.runs import last_tensors, write_photos
from tests.faults.workers import Workers
from tests.loratui.program import run_loratui
from tests.run_events import events_of

pytestmark = pytest.mark.slow


def test_a_copy_of_a_live_run_goes_on_elsewhere_with_its_photos_elsewhere(
    forking: Workers,
    create: Create,
    reference: RunDir,
    tmp_path: Path,
    outcome: Record,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = write_photos(tmp_path / "photos")
    run = create(data={"instance_data_dir": str(photos)})
    in_a_checkpoint = "create dog/checkpoints/.000006.tmp/#3"
    assert forking.work(run, in_a_checkpoint, trouble="copy_the_run_elsewhere") == 0
    assert last_tensors(run) == last_tensors(reference), "to be copied is nothing to a run"

    copy = RunDir(tmp_path / "else where" / "dog")
    assert as_listed(copy)["state"] == "died"
    assert copy.address == f"'{copy.path}'", "what remedies call it can be pasted"
    elsewhere = photos.rename(tmp_path / "pictures")
    refused = run_loratui("resume", copy.path, "--detach")
    assert refused.returncode
    told = " ".join(refused.stderr.split())
    assert f"there is no folder {photos}" in told and "--set data.instance_data_dir=FOLDER" in told

    resumption = prepare_resumption(copy, {"data": {"instance_data_dir": str(elsewhere)}})
    assert {each.weight for each in resumption.differences or ()} <= {"harmless"}
    codes: list[int] = []
    monkeypatch.setattr("engine.start.launch", lambda run: codes.append(forking.work(run)))
    resume_run(copy, resumption)
    assert codes == [0], copy.log_file.read_text()
    assert as_listed(copy)["state"] == "finished"
    assert [event.step for event in events_of(copy) if isinstance(event, Started)] == [0, 4]
    assert last_tensors(copy) == last_tensors(reference)
    assert not list(copy.checkpoints.glob(".*")), "what was half written is gone"
    outcome(
        "a run folder copied while live, and resumed elsewhere with its photos elsewhere",
        1,
        "resumed from its newest whole checkpoint; final tensors equal to the byte",
        told,
    )
