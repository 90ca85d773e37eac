"""Photos deleted or replaced, and a model file truncated, while a run is under way or between two workers."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.events import Failed
from engine.rundir import RunDir
from tests.faults.checks import as_listed
from tests.faults.conftest import Create, Record
from tests.faults.runs import last_tensors
from tests.faults.workers import Workers
from tests.run_events import events_of

pytestmark = pytest.mark.slow
AT_CACHING = "write dog/events.jsonl phase caching"


@contextmanager
def kept(path: Path) -> Iterator[Path]:
    """`path`, put back at the end as it was."""
    content = path.read_bytes()
    try:
        yield path
    finally:
        path.write_bytes(content)


@pytest.fixture
def run(create: Create, tagged_photos: Path, tiny_model: Path, tmp_path: Path) -> RunDir:
    """With photos and a model of its own, which may be broken."""
    photos = shutil.copytree(tagged_photos, tmp_path / "photos")
    model = shutil.copytree(tiny_model, tmp_path / "model")
    return create(data={"instance_data_dir": str(photos)}, model={"pretrained_model_name_or_path": str(model)})


def test_each_is_told_and_put_back_the_run_ends_as_if_nothing_had_been(
    forking: Workers, run: RunDir, tmp_path: Path, reference: RunDir, outcome: Record
) -> None:
    photo = tmp_path / "photos" / "rocket.png"
    unet = next((tmp_path / "model" / "unet").glob("*.safetensors"))

    def fails(fault: str, *words: str, point: str = "", trouble: str = "") -> None:
        assert forking.work(run, point, trouble=trouble) == 1
        row, end = as_listed(run), events_of(run)[-1]
        assert row["state"] == "failed" and isinstance(end, Failed)
        told = f"{end.problem} {end.remedy}"
        assert all(word in told for word in words), told
        outcome(fault, 1, "failed; put back and resumed, final tensors equal to the byte", told)

    with kept(unet):
        os.truncate(unet, unet.stat().st_size // 2)
        fails("a model file truncated", str(unet.name))
    with kept(photo):
        fails("a photo deleted while photos are read", "rocket.png", point=AT_CACHING, trouble="delete_a_photo")
    with kept(photo):
        fails("a photo replaced while photos are read", "rocket.png", point=AT_CACHING, trouble="replace_a_photo")
    # And once they are cached, a run no longer looks at them; what it cached of the replaced one is the old one's.
    with kept(photo):
        at_a_step = "write dog/events.jsonl step 3"
        assert forking.work(run, at_a_step, trouble="delete_a_photo") == 0
    assert as_listed(run)["state"] == "finished"
    assert last_tensors(run) == last_tensors(reference)
    outcome("a photo deleted once it is cached", 1, "finished; final tensors equal to the byte")
