"""The recorder of what faults led to, and one run in which everything is on, with how it ends when nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.outcomes import Outcome, append_outcomes

if TYPE_CHECKING:
    from engine.rundir import RunDir
    from tests.faults.workers import Workers

Record = Callable[..., None]
Create = Callable[..., "RunDir"]
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test itself passed, for `outcome`."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def outcome(request: pytest.FixtureRequest) -> Iterator[Record]:
    """Takes `fault`, `tries`, `outcome` and `told`, as `Outcome` has them; kept with whether the test then passed.

    A test that fails before it has said anything is kept as a failure too.
    """
    test = f"{request.path.stem}::{request.node.name}"
    outcomes: list[Outcome] = []

    def record(fault: str, tries: int, outcome: str, told: str = "") -> None:
        outcomes.append(Outcome(test, fault, tries, outcome, told))

    yield record
    if request.node.stash.get(PASSED, False):
        append_outcomes(outcomes)
    else:
        append_outcomes([Outcome(test, fault=request.node.name, tries=1, outcome="the test failed", held=False)])


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are equal to the bit at an equal number of threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tagged_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs with captions of several tags: read only."""
    from tests.faults.runs import write_photos

    return write_photos(tmp_path_factory.mktemp("faults") / "photos")


@pytest.fixture
def create(tagged_photos: Path, tiny_model: Path, tmp_path: Path) -> Create:
    """A new run of `everything_on`; sections given are laid over it. Its latents' cache is its own folder's."""

    def create(name: str = "dog", folder: str = "runs", **sections: Mapping[str, Any]) -> RunDir:
        from tests.faults.runs import create_in

        return create_in(tmp_path / folder, name, tagged_photos, tiny_model, sections)

    return create


@pytest.fixture(scope="session")
def reference(tagged_photos: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run of `create()` that nothing happened to, through the real worker to its end: read only."""
    from engine import launcher
    from tests.faults.runs import create_in

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        run = create_in(tmp_path_factory.mktemp("reference") / "runs", "dog", tagged_photos, tiny_model)
        launcher.launch(run)
        status = launcher.wait(run)
    assert status.state == "finished", f"{status.message}\n{run.log_file.read_text()}"
    return run


@pytest.fixture(scope="session")
def forking() -> Iterator[Workers]:
    """What forks workers under fire."""
    from tests.faults.workers import workers

    with workers() as forking:
        yield forking


@pytest.fixture(scope="session")
def points(
    forking: Workers, reference: RunDir, tagged_photos: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """All points that a worker comes to, in their order, from a run that was watched and not disturbed."""
    from tests.faults.runs import create_in, last_files

    folder = tmp_path_factory.mktemp("watched")
    run = create_in(folder / "runs", "dog", tagged_photos, tiny_model)
    assert forking.work(run, record=str(folder / "points")) == 0
    assert last_files(run) == last_files(reference), "a forked and watched worker does what a launched one does"
    return (folder / "points").read_text("utf-8").splitlines()
