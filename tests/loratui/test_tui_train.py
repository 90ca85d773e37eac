"""Train in the TUI: a run as its folder tells it, and the runs there are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import TrainConfig
from engine.events import EventWriter, Failed, Phase, Pivot, Sample, Started, Step, Verified, Warned
from engine.rundir import RunDir, Status, create_run
from tests.loratui.tui import NARROW, WIDE, app_on, go, sees


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def step(number: int) -> Step:
    return Step(
        step=number,
        epoch=0,
        loss=1 / number,
        prior_loss=None,
        lr={"unet": 1.0},
        d=2e-4,
        effective_lr=2e-4,
        grad_norm=0.25,
        seconds=2.0,
        samples_per_second=0.5,
        memory=3 * 2**30,
    )


@pytest.fixture
def writer(run: RunDir) -> EventWriter:
    writer = EventWriter(run.events_file)
    writer.write(Started(name="cat", pid=1, step=0, total_steps=100, pivot_step=50, photos=4, device="cpu"))
    writer.write(Phase(phase="training"))
    for number in range(1, 61):
        writer.write(step(number))
        if number == 50:
            writer.write(Pivot(step=50))
    return writer


@pytest.fixture
def run() -> RunDir:
    return create_run(Path("runs"), "cat", TrainConfig())


@pytest.fixture
def running(run: RunDir, writer: EventWriter) -> Iterator[RunDir]:
    """A run at step 60 of 100, whose lock is held as by a worker."""
    with run.lock():
        run.write_status(Status(state="running", step=60, total_steps=100))
        yield run


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_running_run_shows_its_numbers_and_its_plots(running: RunDir, size: tuple[int, int]) -> None:
    async with app_on(None).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "escape", "5")
        assert "cat" in text and "running" in text and "60/100" in text
        text = await go(pilot, "enter")
        for words in ("▶ running", "training 60/100", "lr 0.0002", "grad norm 0.25", "memory 3.0 GiB", "left 1m20s"):
            assert words in text
        assert "pivot at 50" in text
        assert sum(0x2801 <= ord(cell) <= 0x28FF for cell in text) > 30


async def test_new_events_appear_while_one_watches(running: RunDir, writer: EventWriter) -> None:
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "escape", "5", "enter")
        writer.write(step(61))
        writer.write(Sample(step=61, path="samples/[/foo].png", prompt="TOK"))
        writer.write(Warned(message="[red]careful\x1b[2J"))
        await sees(pilot, "training 61/100", "samples/[/foo].png", "[red]careful\\x1b[2J")


async def test_stopping_is_confirmed_and_the_focus_is_on_cancel(running: RunDir) -> None:
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "escape", "5", "enter")
        text = await go(pilot, "X")
        assert "Stop the run cat at step 60 of 100?" in text
        await go(pilot, "enter")
        assert not running.take_request("stop")
        await go(pilot, "X")
        await go(pilot, "y")
        assert running.take_request("stop")


async def test_quitting_does_not_touch_the_run(running: RunDir) -> None:
    before = {path: path.read_bytes() for path in running.path.rglob("*") if path.is_file()}
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "escape", "5", "enter", "q")
    assert {path: path.read_bytes() for path in running.path.rglob("*") if path.is_file()} == before


async def test_a_failed_run_says_why_and_how_to_go_on(run: RunDir, writer: EventWriter) -> None:
    writer.write(Failed(problem="The GPU is out of memory.", remedy="Set train_batch_size = 1."))
    run.write_status(Status(state="failed", step=60, total_steps=100))
    async with app_on(None).run_test(notifications=True, size=NARROW) as pilot:
        text = await go(pilot, "escape", "5", "enter")
        assert "✗ failed" in text
        assert "The GPU is out of memory." in text and "Set train_batch_size = 1." in text
        assert "loratui resume cat" in text
        assert "X Stop" not in text


async def test_a_finished_run_shows_its_files(run: RunDir, writer: EventWriter) -> None:
    writer.write(Verified(ok=True, files=["output/cat.safetensors"], tensors=9, difference=0.0, message="equal"))
    run.write_status(Status(state="finished", step=100, total_steps=100))
    async with app_on(None).run_test(notifications=True, size=NARROW) as pilot:
        text = await go(pilot, "escape", "5", "enter")
        assert "Files, verified: cat.safetensors" in text


async def test_one_goes_back_to_the_runs_and_attaches_to_another(running: RunDir) -> None:
    create_run(Path("runs"), "dog", TrainConfig())
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "escape", "5", "enter")
        text = await go(pilot, "r")
        assert "dog" in text and "queued" in text
        text = await go(pilot, "j", "enter")
        assert "dog  · queued" in text


async def test_a_run_that_started_elsewhere_appears_in_the_list() -> None:
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "escape", "5")
        assert "none yet in runs" in text
        create_run(Path("runs"), "late", TrainConfig())
        await sees(pilot, "late", "queued")


async def test_names_that_look_like_markup_stand_in_the_titles_as_they_are() -> None:
    run = create_run(Path("r[red]s"), "cat", TrainConfig())
    run.path.rename(run.path.with_name("c[b]at"))
    async with app_on(None, Path("r[red]s")).run_test(notifications=True, size=WIDE) as pilot:
        assert "in r[red]s" in await go(pilot, "escape", "5")
        assert "c[b]at  · queued" in await go(pilot, "enter")
