"""Train in the TUI: a run as its folder tells it, and the runs there are."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot

from engine.config import TrainConfig, compose
from engine.curves import SMOOTHINGS
from engine.data.examples import read_examples
from engine.events import (
    Checkpoint,
    EventWriter,
    Failed,
    Paused,
    Phase,
    Pivot,
    Progress,
    Sample,
    Started,
    Step,
    Verified,
    Warned,
    encode,
)
from engine.fingerprint import take_fingerprint
from engine.launcher import wait
from engine.plan import resolve
from engine.rundir import LORA_FILE, RunDir, Status, create_run
from engine.training.manifest import OPTIMIZER, STATE, write_manifest
from loratui.app import LoratuiApp
from loratui.project import Project
from loratui.runs.monitor import Monitor
from loratui.screens.train import TrainScreen
from loratui.terminal.glyphs import use_glyphs
from loratui.user.preferences import Preferences
from loratui.widgets.picture import PictureView
from loratui.widgets.row_list import RowList
from loratui.widgets.run_view import PANELS, RunView
from loratui.widgets.runs_list import RunsList
from tests.loratui.program import run_loratui, write_tiny_config
from tests.loratui.tui import NARROW, WIDE, go, screen_text, sees, wait_for


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def step(number: int, **others: Any) -> Step:
    usual = {
        "epoch": 0,
        "loss": 1 / number,
        "prior_loss": None,
        "lr": {"unet": 1.0},
        "d": 2e-4,
        "effective_lr": 2e-4,
        "grad_norm": 0.25,
        "seconds": 2.0,
        "samples_per_second": 0.5,
        "memory": 3 * 2**30,
    }
    return Step(step=number, **(usual | others))


def train_screen(runs_dir: Path = Path("runs")) -> LoratuiApp:
    """The app as it opens on the runs."""
    return LoratuiApp(Project(runs_dir), "train")


async def listed(pilot: Pilot) -> str:
    """Wait until the runs were looked at."""
    await wait_for(pilot, lambda: bool(pilot.app.screen.query(RunsList)) and there_are_runs_or_none(pilot))
    return await go(pilot)


def there_are_runs_or_none(pilot: Pilot) -> bool:
    return bool(pilot.app.screen.query_one(RowList).keys) or "None yet" in screen_text(pilot)


async def opened(pilot: Pilot, *keys: str) -> str:
    """Attach to the first of the runs, and press keys."""
    await listed(pilot)
    text = await go(pilot, "enter")
    return await go(pilot, *keys) if keys else text


def view(pilot: Pilot) -> RunView:
    return pilot.app.screen.query_one(RunView)


def add_samples(run: RunDir, writer: EventWriter, at: int, prompts: tuple[str, ...]) -> None:
    for place, prompt in enumerate(prompts):
        path = run.samples / f"{at:06d}-{place}.png"
        Image.new("RGB", (32, 32), (at % 256, 100, 100)).save(path)
        writer.write(Sample(step=at, path=f"samples/{path.name}", prompt=prompt))


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
    async with train_screen().run_test(notifications=True, size=size) as pilot:
        text = await listed(pilot)
        assert "cat" in text and "running" in text and "60/100" in text
        text = await go(pilot, "enter")
        for words in (
            "▶ running",
            "training 60/100",
            "lr 1",
            "effective 2.00e-04",
            "grad norm 0.25",
            "memory 3.0 GiB",
            "left 1m20s",
        ):
            assert words in text
        assert "pivot 50" in text
        assert sum(0x2801 <= ord(cell) <= 0x28FF for cell in text) > 30


async def test_new_events_appear_while_one_watches(running: RunDir, writer: EventWriter) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot)
        writer.write(step(61))
        writer.write(Sample(step=61, path="samples/[/foo].png", prompt="TOK"))
        writer.write(Warned(message="[red]careful\x1b[2J"))
        await sees(pilot, "training 61/100", "samples/[/foo].png", "[red]careful\\x1b[2J")


async def test_of_a_run_that_is_starting_no_steps_are_counted(run: RunDir) -> None:
    with run.lock():
        run.write_status(Status(state="running"))
        async with train_screen().run_test(size=NARROW) as pilot:
            text = await opened(pilot)
            assert "starting the worker" in text and "0/0" not in text
            assert "Stop the run cat before its first step?" in await go(pilot, "X")


async def test_stopping_is_confirmed_and_the_focus_is_on_cancel(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot)
        text = await go(pilot, "X")
        assert "Stop the run cat at step 60 of 100?" in text
        await go(pilot, "enter")
        assert not running.take_request("stop")
        await go(pilot, "X")
        await go(pilot, "y")
        assert running.take_request("stop")


async def test_quitting_does_not_touch_the_run(running: RunDir) -> None:
    before = {path: path.read_bytes() for path in running.path.rglob("*") if path.is_file()}
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "q")
    assert {path: path.read_bytes() for path in running.path.rglob("*") if path.is_file()} == before


async def test_a_failed_run_says_why_and_how_to_go_on(run: RunDir, writer: EventWriter) -> None:
    writer.write(Failed(problem="The GPU is out of memory.", remedy="Set train_batch_size = 1."))
    run.write_status(Status(state="failed", step=60, total_steps=100))
    async with train_screen().run_test(notifications=True, size=NARROW) as pilot:
        text = await opened(pilot)
        assert "✗ failed" in text
        assert "The GPU is out of memory." in text and "Set train_batch_size = 1." in text
        assert "loratui resume cat" in text
        assert "X Stop" not in text


async def test_once_a_failed_run_goes_on_it_is_not_said_to_have_failed(run: RunDir, writer: EventWriter) -> None:
    writer.write(Failed(problem="The disk is full.", remedy="Make room."))
    run.write_status(Status(state="failed", step=60, total_steps=100))
    async with train_screen().run_test(size=NARROW) as pilot:
        await opened(pilot)
        await sees(pilot, "Go on from the newest checkpoint: p", "p Continue")
        with run.lock():
            run.write_status(Status(state="running", step=60, total_steps=100))
            await sees(pilot, "running", "p Pause")
            assert "Go on from the newest checkpoint" not in screen_text(pilot)


async def test_a_finished_run_shows_its_files(run: RunDir, writer: EventWriter) -> None:
    writer.write(Verified(ok=True, files=["output/cat.safetensors"], tensors=9, difference=0.0, message="equal"))
    run.write_status(Status(state="finished", step=100, total_steps=100))
    async with train_screen().run_test(notifications=True, size=NARROW) as pilot:
        text = await opened(pilot)
        assert "Files, verified: cat.safetensors" in text


async def test_one_goes_back_to_the_runs_and_attaches_to_another(running: RunDir) -> None:
    create_run(Path("runs"), "dog", TrainConfig())
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot)
        text = await go(pilot, "r")
        assert "dog" in text and "queued" in text
        text = await go(pilot, "j", "enter")
        assert "dog  · queued" in text


async def test_in_the_list_the_cursor_is_on_the_run_on_view(running: RunDir) -> None:
    for name in ("a-run", "bee"):
        create_run(Path("runs"), name, TrainConfig())
    app = train_screen()
    app.project.watch(running)
    async with app.run_test(size=WIDE) as pilot:
        await go(pilot, "r")
        await wait_for(pilot, lambda: app.screen.query_one(RunsList).query_one(RowList).key == str(running.path))


async def test_a_run_of_the_same_name_elsewhere_is_not_taken_for_the_one_on_view() -> None:
    create_run(Path("runs"), "a-run", TrainConfig())
    create_run(Path("runs"), "dog", TrainConfig())
    app = train_screen()
    app.project.watch(create_run(Path("others"), "dog", TrainConfig()))
    async with app.run_test(size=WIDE) as pilot:
        await go(pilot, "r")
        await sees(pilot, "a-run", "dog")
        assert app.screen.query_one(RunsList).query_one(RowList).key == str(Path("runs/a-run").resolve())
        assert str(Path("runs/a-run")) in (await go(pilot, "D")).replace("\n", "")


async def test_a_run_that_started_elsewhere_appears_in_the_list() -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = await listed(pilot)
        assert "None yet in runs" in text
        create_run(Path("runs"), "late", TrainConfig())
        await sees(pilot, "late", "queued")


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_run_with_all_that_can_be_measured_shows_it_with_its_cost(
    size: tuple[int, int], tmp_path: Path
) -> None:
    config = compose(flags={"run": {"price_per_hour": 3.6, "max_cost": 1.05}}).config
    run = create_run(Path("runs"), "cat", config)
    writer = EventWriter(run.events_file)
    writer.write(Started(name="cat", pid=1, step=0, total_steps=100, pivot_step=50, photos=4, device="cpu"))
    writer.write(Phase(phase="training"))
    for number in range(1, 61):
        writer.write(step(number, prior_loss=0.125, lr={"unet": 0.5, "text": 0.25}))
    with run.lock():
        run.write_status(Status(state="running", step=60, total_steps=100, worked=1000))
        async with train_screen().run_test(notifications=True, size=size) as pilot:
            text = await opened(pilot)
            figures = ("prior loss 0.1250", "lr 0.5", "text lr 0.25", "effective 2.00e-04", "cost 1.00", "to come 0.08")
            for words in figures:
                assert words in text
            assert "stopped before its last step: max_cost = 1.05 is reached in 50s" in text
            assert "dashes: prior loss" in text


async def test_what_precedes_the_steps_has_its_progress_and_its_time(run: RunDir) -> None:
    writer = EventWriter(run.events_file)
    writer.write(Started(name="cat", pid=1, step=0, total_steps=100, pivot_step=None, photos=4, device="cpu"))
    lines = [Phase(phase="class_images", time=1000.0), Progress(phase="class_images", done=10, total=40, time=1020.0)]
    with run.events_file.open("a") as file:
        file.writelines(encode(event) + "\n" for event in lines)
    with run.lock():
        run.write_status(Status(state="running", total_steps=100))
        async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
            assert "class images 10/40, 1m00s left" in await opened(pilot)


async def test_tab_goes_through_the_panels_and_f_makes_one_as_large_as_the_screen(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = await opened(pilot)
        assert "Gradient norm" in text and "Log" in text
        for panel in (*PANELS[1:], PANELS[0]):
            await go(pilot, "tab")
            assert view(pilot).panel == panel
            focused = pilot.app.focused
            assert focused and panel in {node.id for node in focused.ancestors_with_self}
        text = await go(pilot, "shift+tab", "f")
        assert "Log  (5 of 5, tab: next)" in text and "Gradient norm" not in text
        assert "Learning rate" not in await go(pilot, "tab")
        assert "Gradient norm" in await go(pilot, "escape")


async def test_a_narrow_terminal_shows_one_panel_at_a_time_over_the_log(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=NARROW) as pilot:
        text = await opened(pilot)
        assert "Loss  (1 of 5, tab: next)" in text and "Log" in text and "Gradient norm" not in text
        assert "Gradient norm  (4 of 5" in await go(pilot, "tab", "tab", "tab")


async def test_smoothing_axis_and_window_are_changed_by_keys_and_named(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        assert "mean of 50" in await opened(pilot)
        assert f"mean of {SMOOTHINGS[-1]}" in await go(pilot, "m")
        assert "mean of" not in await go(pilot, "m")
        assert f"mean of {SMOOTHINGS[0]}" in await go(pilot, "m")
        assert "Loss, log scale" in await go(pilot, "a")
        assert "log scale" not in await go(pilot, "a")
        assert "Loss, x2" in await go(pilot, "z")
        whole = view(pilot).window.steps(60, 100)
        text = await go(pilot, "z")
        assert "Loss, x4" in text
        newest = view(pilot).window.steps(60, 100)
        assert newest[1] - newest[0] == 25 and newest[1] <= whole[1]
        await go(pilot, "h")
        earlier = view(pilot).window.steps(60, 100)
        assert earlier == (newest[0] - 12.5, newest[1] - 12.5)
        await go(pilot, "l")
        assert view(pilot).window.steps(60, 100) == newest
        assert "Loss, x2" in await go(pilot, "Z")
        assert "Loss, x" not in await go(pilot, "z", "e")


async def test_one_looks_more_often_or_less(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot)
        await go(pilot, "+")
        await sees(pilot, "Every 0.5 s.")
        await go(pilot, "-", "-")
        await sees(pilot, "Every 2 s.")
        await go(pilot, *["-"] * 9)
        await sees(pilot, "Every 10 s.")


async def test_plots_are_drawn_in_ascii_where_that_was_chosen(running: RunDir) -> None:
    try:
        async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
            use_glyphs("ascii")
            text = await opened(pilot)
            assert "****" in text and not any(0x2800 <= ord(cell) <= 0x28FF for cell in text)
    finally:
        use_glyphs("auto")


async def test_a_sample_is_asked_for_and_what_came_of_it_is_said(running: RunDir, writer: EventWriter) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot)
        text = await go(pilot, "s")
        assert "Asked for sample pictures: the run hears it after this step." in text
        assert running.take_request("sample")
        await sees(pilot, "Asked for sample pictures: sample pictures are being made.")
        add_samples(running, writer, 61, ("a photo of TOK",))
        await sees(pilot, "Sample pictures of step 61: done.")
        await wait_for(pilot, lambda: "Asked for" not in screen_text(pilot))


async def test_a_checkpoint_is_asked_for_and_what_came_of_it_is_said(running: RunDir, writer: EventWriter) -> None:
    async with train_screen().run_test(notifications=True, size=NARROW) as pilot:
        await opened(pilot, "c", "c")
        assert "Asked for a checkpoint: the run hears it" in screen_text(pilot)
        assert running.take_request("checkpoint")
        writer.write(Checkpoint(step=62, path="checkpoints/000062"))
        await sees(pilot, "A checkpoint of step 62: done.")


async def test_a_request_that_failed_or_came_too_late_is_said_to_have(running: RunDir, writer: EventWriter) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "s")
        assert running.take_request("sample")
        writer.write(Warned(message="No sample pictures at step 61: OSError: full"))
        await sees(pilot, "It did not make sample pictures: see the warnings.")
        await go(pilot, "c")
        writer.write(Failed(problem="The GPU is gone.", remedy="Look for it."))
        running.write_status(Status(state="failed", step=61, total_steps=100))
        await sees(pilot, "The run ended before it made a checkpoint.")


async def test_a_run_without_sample_pictures_says_so_and_is_not_asked(writer: EventWriter, run: RunDir) -> None:
    text = run.config_file.read_text().replace("num_validation_images = 1", "num_validation_images = 0")
    run.config_file.write_text(text)
    with run.lock():
        run.write_status(Status(state="running", step=60, total_steps=100))
        async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
            assert "This run makes none" in await opened(pilot)
            await go(pilot, "s")
            await sees(pilot, "This run makes no sample pictures.")
            assert not run.is_requested("sample")


async def test_pausing_is_asked_at_once_and_told_until_the_run_is_paused(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = await opened(pilot, "p")
        assert "Asked for a pause" in text and running.take_request("pause")
        running.write_status(Status(state="paused", step=61, total_steps=100))
        await sees(pilot, "The run has ended: paused.", "p Continue", "loratui resume cat")


async def test_a_run_that_takes_no_steps_yet_or_no_more_says_when_it_hears(
    running: RunDir, writer: EventWriter
) -> None:
    writer.write(Phase(phase="class_images"))
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = await opened(pilot, "c")
        assert "hears it after its next step; now it is class images." in text
        writer.write(Phase(phase="exporting"))
        await sees(pilot, "exporting")
        await go(pilot, "s")
        await sees(pilot, "The run takes no more steps.")
        assert not running.is_requested("sample")


async def test_another_key_for_pausing_takes_nothing_from_going_on(run: RunDir, writer: EventWriter) -> None:
    run.write_status(Status(state="paused", step=60, total_steps=100))
    app = LoratuiApp(Project(Path("runs")), "train", Preferences(keys={"train.pause": "ctrl+o", "train.runs": "R"}))
    async with app.run_test(size=NARROW) as pilot:
        assert "p Continue  R Runs" in await opened(pilot)
        with run.lock():
            run.write_status(Status(state="running", step=60, total_steps=100))
            await sees(pilot, "^o Pause")
        assert "r Back" in await go(pilot, "R")


async def test_the_command_that_shows_the_run_is_copied(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "y")
        assert pilot.app.clipboard == "loratui attach cat"


async def test_an_ended_run_is_not_asked_for_anything(run: RunDir, writer: EventWriter) -> None:
    run.write_status(Status(state="stopped", step=60, total_steps=100))
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = await opened(pilot, "s", "c", "X")
        assert not any(run.control.iterdir())
        for words in ("s Sample", "c Checkpoint", "X Stop", "p Pause"):
            assert words not in text
        assert "p Continue" in text


async def test_pictures_of_the_first_step_stand_beside_the_newest_and_go_large(
    running: RunDir, writer: EventWriter
) -> None:
    prompts = ("a photo of TOK", "TOK [/foo] \x1b[2J 猫 🐈")
    for at in (10, 20, 30, 40):
        add_samples(running, writer, at, prompts)
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = await opened(pilot)
        assert "step 10: a photo" in text and "step 40: a photo" in text and "step 20" not in text.split("Log")[0]
        text = await go(pilot, "tab", "f")
        for at in (10, 20, 30, 40):
            assert f"step {at}: TOK [/foo]" in text
        text = await go(pilot, "g", "enter")
        assert "Step 10, 1 of 4" in text and "a photo of TOK" in text
        assert pilot.app.screen.query_one(PictureView)
        assert "Step 20, 2 of 4" in await go(pilot, "right")
        assert "TOK [/foo] \\x1b[2J" in await go(pilot, "j")
        assert "Step 40, 4 of 4" in await go(pilot, "l", "l", "l")
        text = await go(pilot, "h", "k")
        assert "Step 30, 3 of 4" in text and "a photo of TOK" in text
        assert "running" in await go(pilot, "escape")


async def test_pictures_that_are_being_made_wait_until_all_of_their_step_are_there(
    running: RunDir, writer: EventWriter
) -> None:
    add_samples(running, writer, 10, ("one", "two"))
    writer.write(Phase(phase="sampling"))
    add_samples(running, writer, 20, ("one",))
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        text = (await opened(pilot)).split("Log")[0]
        assert "step 10: one" in text and "step 20: one" not in text
        add_samples(running, writer, 20, ("one", "two"))
        await sees(pilot, "step 20: one")


async def test_warnings_are_counted_and_shown_whole(running: RunDir, writer: EventWriter) -> None:
    long = "The photos of the class are few. " * 12 + "[/foo] [red]\x1b[2J the very end."
    writer.write(Warned(message=long))
    async with train_screen().run_test(notifications=True, size=NARROW) as pilot:
        assert "Log, 1 warning !" in await opened(pilot)
        text = await go(pilot, "w")
        assert "Warnings: 1" in text and "[/foo] [red]\\x1b[2J the very end." in text
        assert "Warnings: 1" not in await go(pilot, "escape")


async def test_the_log_goes_back_and_stays_there_while_more_comes(running: RunDir, writer: EventWriter) -> None:
    for number in range(40):
        writer.write(Warned(message=f"number {number}."))
    async with train_screen().run_test(notifications=True, size=NARROW) as pilot:
        text = await opened(pilot, "shift+tab")
        assert "number 39." in text and "number 10." not in text
        text = await go(pilot, "g")
        assert "cat starts on cpu" in text and "number 39." not in text
        writer.write(Warned(message="number 40."))
        await sees(pilot, "41 warnings")
        assert "cat starts on cpu" in screen_text(pilot)
        assert "number 40." in await go(pilot, "G")


async def test_a_run_is_removed_once_that_is_confirmed_and_not_while_it_goes_on(running: RunDir) -> None:
    create_run(Path("runs"), "dog", TrainConfig()).write_status(Status(state="stopped", step=3, total_steps=9))
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await listed(pilot)
        await sees(pilot, "dog")
        await go(pilot, "D")
        await sees(pilot, "The run cat is going on.")
        assert "Delete the run dog, stopped at step 3" in await go(pilot, "j", "D")
        await go(pilot, "enter")
        assert Path("runs/dog").is_dir(), "the focus is on Cancel"
        await go(pilot, "D", "y")
        assert not Path("runs/dog").exists() and running.path.is_dir()
        await wait_for(pilot, lambda: "dog" not in screen_text(pilot))


async def test_esc_goes_from_the_runs_back_to_the_one_on_view(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "r")
        assert pilot.app.focused and pilot.app.focused.parent and pilot.app.focused.parent.id == "runs"
        assert "training 60/100" in await go(pilot, "escape")


async def test_who_comes_back_to_the_screen_finds_the_runs_or_the_run_as_it_was_left(running: RunDir) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "4")
        assert "training 60/100" in await go(pilot, "5")
        await go(pilot, "r", "4", "5")
        create_run(Path("runs"), "late", TrainConfig())
        await sees(pilot, "late", "queued")


async def test_what_happened_while_another_screen_showed_the_run_stands_here_too(
    running: RunDir, writer: EventWriter
) -> None:
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        assert "training 60/100" in await opened(pilot)
        await go(pilot, "6")
        writer.write(step(70))
        writer.write(Paused(step=70))
        running.write_status(Status(state="paused", step=70, total_steps=100))
        await sees(pilot, "cat ! paused")
        assert "paused 70/100" in await go(pilot, "5")


async def test_keys_are_answered_while_a_long_run_is_read_and_the_reading_can_be_left(
    running: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_let_go = False

    def slow(self: Monitor, report: Any = None) -> bool:
        while report and not is_let_go:
            report(1 << 20, 9 << 20)
            time.sleep(0.01)
        return False

    monkeypatch.setattr(Monitor, "refresh", slow)
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await listed(pilot)
        await pilot.press("enter")
        await sees(pilot, "Reading cat, MB", "1/9", "esc cancels")
        await pilot.press("m")
        await sees(pilot, f"mean of {SMOOTHINGS[-1]}")
        await pilot.press("escape")
        await wait_for(pilot, lambda: "Reading cat" not in screen_text(pilot))
        assert isinstance(pilot.app.screen, TrainScreen)


@pytest.fixture
def paused(photos: Path) -> RunDir:
    """A paused run with a checkpoint of step 5, whose tensors nobody could load."""
    flags = {
        "data": {"instance_data_dir": str(photos), "resolution": 64},
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": "tiny"},
        "run": {"max_train_steps": 10},
    }
    config = resolve(compose(flags=flags).config)
    run = create_run(Path("runs"), "her", config)
    folder = run.checkpoints / "000005"
    folder.mkdir()
    for file in (LORA_FILE, OPTIMIZER):
        (folder / file).write_bytes(bytes(100))
    fingerprint = take_fingerprint(config, read_examples(config)).to_json()
    (folder / STATE).write_text(json.dumps({"step": 5, "fingerprint": fingerprint}))
    write_manifest(folder, 5, (LORA_FILE, OPTIMIZER, STATE))
    run.write_status(Status(state="paused", step=5, total_steps=10))
    return run


async def test_going_on_shows_what_has_changed_and_asks_first(paused: RunDir) -> None:
    text = paused.config_file.read_text()
    paused.config_file.write_text(text.replace('instance_prompt = "a photo of TOK"', 'instance_prompt = "[red] TOK"'))
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "p")
        await sees(pilot, "and it changes what", "- a photo of TOK", "+ [red] TOK", "Is that meant?")
        await go(pilot, "enter")
        assert paused.status().state == "paused", "the focus is on Cancel"


async def test_what_cannot_go_on_says_why(paused: RunDir) -> None:
    paused.config_file.write_text(paused.config_file.read_text().replace("rank = 16", "rank = 8"))
    assert "rank = 8" in paused.config_file.read_text()
    async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
        await opened(pilot, "p")
        await sees(pilot, "cannot go on with another lora.rank")
        assert paused.status().state == "paused"


@pytest.mark.slow
async def test_a_real_run_is_asked_paused_continued_and_stopped(sample_photos: Path) -> None:
    config = write_tiny_config(Path("lora.toml"), sample_photos, steps=100_000)
    settings = ("--set", "sample.num_validation_images=1", "--set", "sample.num_inference_steps=1")
    assert run_loratui("train", config, "--detach", "--name", "her", "--runs-dir", "runs", *settings).returncode == 0
    run = RunDir(Path("runs/her"))
    try:
        async with train_screen().run_test(notifications=True, size=WIDE) as pilot:
            await opened(pilot)
            monitor = pilot.app.project.monitor  # type: ignore[attr-defined]
            await wait_for(pilot, lambda: monitor.phase == "training" and monitor.step > 0)
            await go(pilot, "c", "s")
            await sees(pilot, "Sample pictures of step")
            await wait_for(pilot, lambda: monitor.checkpoint_step > 0)
            await go(pilot, "p")
            await wait_for(pilot, lambda: monitor.state == "paused")
            at = monitor.step
            assert (run.checkpoints / f"{at:06d}" / "manifest.json").is_file()
            await go(pilot, "p")
            await wait_for(pilot, lambda: monitor.state == "running" and monitor.step > at)
            await go(pilot, "X", "y")
            await wait_for(pilot, lambda: monitor.state == "stopped")
            assert (run.output / "her.safetensors").is_file()
    finally:
        if run.is_alive():
            run.request("stop_now")
            wait(run)


async def test_names_that_look_like_markup_stand_in_the_titles_as_they_are() -> None:
    run = create_run(Path("r[red]s"), "cat", TrainConfig())
    run.path.rename(run.path.with_name("c[b]at"))
    async with train_screen(Path("r[red]s")).run_test(notifications=True, size=WIDE) as pilot:
        assert "in r[red]s" in await listed(pilot)
        assert "c[b]at  · queued" in await go(pilot, "enter")
