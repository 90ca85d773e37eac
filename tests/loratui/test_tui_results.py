"""Results in the TUI: samples, pictures asked for, two runs compared, and files to take away."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from textual.pilot import Pilot
from textual.widgets import Input

from engine.config import TrainConfig, save_config
from engine.events import EventWriter, Sample, Verified
from engine.extras import MODULES
from engine.painting.painter import Painter
from engine.painting.pictures import pictures_of, save_picture
from engine.painting.request import Request
from engine.rundir import RunDir, Status
from loratui.app import LoratuiApp
from loratui.project import Project
from loratui.runs.sample_grid import SampleRow, pairs, spread
from loratui.widgets.gallery import Gallery
from loratui.widgets.row_list import RowList
from tests import run_events
from tests.loratui.made_runs import made_run, started
from tests.loratui.tui import NARROW, WIDE, go, notified, screen_text, sees, wait_for

PROMPTS = ("a photo of TOK", "TOK, [/foo] [red] 犬 🐕\x1b[2J")
STEPS = (100, 200, 300, 400, 500, 600, 700, 800)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(name: str, steps: tuple[int, ...] = STEPS, loss: float = 0.5, **sections: object) -> RunDir:
    """A run that has finished, with sample pictures, checkpoints, exported files and a verdict."""
    samples = [
        Sample(step=step, path=f"samples/{step:06d}-{number}.png", prompt=prompt)
        for step in steps
        for number, prompt in enumerate(PROMPTS)
    ]
    verified = Verified(ok=True, files=[], tensors=9, difference=0.0, message="9 tensors are equal")
    losses = [run_events.step(step, loss) for step in range(1, 900, 50)]
    run = made_run(Path("runs"), name, "finished", [started(name), *losses, *samples, verified], checkpoints=[500, 800])
    for sample in samples:
        Image.new("RGB", (64, 64), (sample.step % 256, 80, 80)).save(run.path / sample.path)
    for file in (f"{name}.safetensors", f"{name}_emb.safetensors", "pytorch_lora_weights.safetensors", "README.md"):
        (run.output / file).write_bytes(bytes(30_000))
    save_config(TrainConfig.model_validate({"data": {"resolution": 64}, **sections}), run.config_file)
    return run


@contextmanager
def results_of(run: RunDir | None) -> Iterator[LoratuiApp]:
    project = Project(Path("runs"))
    if run:
        project.watch(run)
    yield LoratuiApp(project, "results")


def field(pilot: Pilot, name: str) -> Input:
    return pilot.app.screen.query_one(f"#{name}", Input)


def painters_of(run: RunDir) -> int:
    """How many painting processes there are for a run."""
    return len(subprocess.run(["pgrep", "-f", f"engine.painting {run.path}"], capture_output=True).stdout.splitlines())


# Samples


@pytest.mark.parametrize(("size", "shown"), [(NARROW, 3), (WIDE, 5)])
async def test_samples_stand_in_a_grid_of_prompts_and_steps(size: tuple[int, int], shown: int) -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=size) as pilot:
            text = await go(pilot)
            assert "step 100" in text and "step 800" in text
            assert f"{shown} of 8 steps" in text
            assert "seed 0: a photo of TOK" in text
            text = await go(pilot, "down")
            assert "seed 0: TOK, [/foo] [red]" in text and r"\x1b[2J" in text


async def test_a_large_picture_goes_through_all_steps_of_its_prompt() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=NARROW) as pilot:
            await go(pilot)
            assert "Step 100, 1 of 8" in await go(pilot, "enter")
            assert "Step 300, 3 of 8" in await go(pilot, "right", "l")
            assert "Step 200, 2 of 8" in await go(pilot, "h")
            assert "[/foo]" in await go(pilot, "down")
            assert "seed 0: a photo of TOK" in await go(pilot, "k")
            assert "3 of 8 steps" in await go(pilot, "escape")


async def test_a_run_without_samples_says_how_to_come_by_some() -> None:
    with results_of(trained("dog", steps=())) as app:
        async with app.run_test(size=NARROW) as pilot:
            await sees(pilot, "No sample pictures")


async def test_new_samples_of_a_run_that_goes_on_appear() -> None:
    run = trained("dog", steps=(100,))
    run.write_status(Status(state="running", step=100, total_steps=1000))
    with run.lock(), results_of(run) as app:
        async with app.run_test(size=WIDE) as pilot:
            await sees(pilot, "step 100")
            shutil.copy(run.samples / "000100-0.png", run.samples / "000900-0.png")
            EventWriter(run.events_file).write(Sample(step=900, path="samples/000900-0.png", prompt=PROMPTS[0]))
            await sees(pilot, "step 900")


@pytest.mark.parametrize("view", ["f", "n", "c", "s"])
async def test_the_end_of_a_run_is_told_in_every_view(view: str) -> None:
    run = trained("dog")
    run.write_status(Status(state="running", step=100, total_steps=1000))
    with run.lock(), results_of(run) as app:
        async with app.run_test(size=NARROW) as pilot:
            await go(pilot, view)
            await sees(pilot, "dog ▶ running")
            run.write_status(Status(state="paused", step=200, total_steps=1000))
            await sees(pilot, "dog ! paused", "5 Train !")


async def test_a_click_on_a_view_turns_to_it() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=NARROW) as pilot:
            line = (await go(pilot)).splitlines()[1]
            await pilot.click("#views", offset=(line.index("Files") + 2, 0))
            await sees(pilot, "Where they go")


# Which run


async def test_without_a_run_one_is_chosen_from_the_list() -> None:
    trained("cat")
    trained("dog")
    with results_of(None) as app:
        async with app.run_test(size=NARROW) as pilot:
            await sees(pilot, "Choose a run", "cat", "dog")
            await go(pilot, "j", "enter")
            await sees(pilot, "dog ✓ finished", "step 100")
            await go(pilot, "r")
            await sees(pilot, "cat")
            await go(pilot, "k", "enter")
            await sees(pilot, "cat ✓ finished")


async def test_a_run_whose_config_is_broken_is_told() -> None:
    run = trained("dog")
    run.config_file.write_text("[lora]\nrank = 'x'\n")
    with results_of(run) as app:
        async with app.run_test(size=NARROW, notifications=True) as pilot:
            await sees(pilot, "lora.rank")


async def test_a_run_that_cannot_be_shown_leaves_none_on_view() -> None:
    shown, broken = trained("dog"), trained("cat")
    broken.config_file.write_text("[lora]\nrank = 'x'\n")
    with results_of(shown) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await sees(pilot, "dog ✓ finished")
            await go(pilot, "5")
            app.project.watch(broken)
            await go(pilot, "6")
            await sees(pilot, "lora.rank", "Choose a run")
            app.project.watch(shown)
            await go(pilot, "5", "6")
            await sees(pilot, "dog ✓ finished")
            await go(pilot, "5")
            app.project.monitor = None  # as when it was deleted there
            assert "Choose a run" in await go(pilot, "6")


# Generate


async def test_the_form_begins_with_the_runs_own_samples_settings() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=NARROW) as pilot:
            await go(pilot, "n")
            assert field(pilot, "prompt").value == "a photo of TOK"
            assert field(pilot, "size").value == "64"
            assert pilot.app.focused is field(pilot, "prompt")
            text = await go(pilot, "escape")
            assert "p Paint" in text


async def test_what_is_typed_is_checked_and_a_missing_trigger_word_is_told() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=NARROW, notifications=True) as pilot:
            await go(pilot, "n")
            field(pilot, "prompt").value = "a photo of [/foo]"
            assert "Without the trigger word TOK" in await go(pilot)
            field(pilot, "size").value = "100"
            text = await go(pilot, "enter")
            assert "cannot be 100 pixels wide" in text
            assert pictures_of(RunDir(Path("runs/dog"))) == []


async def test_keys_that_a_field_takes_are_not_offered_in_it() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=NARROW) as pilot:
            await go(pilot)
            assert "Next seed" not in await go(pilot, "n")
            assert "Next seed" in await go(pilot, "escape")


async def test_the_seed_counts_up_or_is_drawn() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=WIDE) as pilot:
            await go(pilot, "n", "escape", "+")
            assert field(pilot, "seed").value == "1"
            await go(pilot, "z")
            assert field(pilot, "seed").value != "1" and field(pilot, "seed").value.isdecimal()
            field(pilot, "seed").value = "x"
            await go(pilot, "+")
            assert field(pilot, "seed").value == "x"


async def test_pictures_painted_before_lend_their_settings() -> None:
    run = trained("dog")
    image = Image.new("RGB", (64, 64), "red")
    save_picture(run, image, Request("TOK [red] older", "", 3, 5.0, 2, 64))
    save_picture(run, image, Request("TOK newer", "blurry", 4, 7.5, 2, 128, 0.5, 500))
    with results_of(run) as app:
        async with app.run_test(size=WIDE) as pilot:
            text = await go(pilot, "n", "escape", "t")
            assert "TOK newer" in text and "checkpoint 500" in text
            assert (field(pilot, "seed").value, field(pilot, "size").value) == ("4", "128")
            app.screen.query_one("#generate Gallery", Gallery).focus()
            assert "TOK [red] older" in await go(pilot, "right")
            await go(pilot, "t")
            assert field(pilot, "prompt").value == "TOK [red] older"
            assert "seed 3" in await go(pilot, "enter")


async def test_the_settings_are_copied_as_a_command_line() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await go(pilot, "n")
            field(pilot, "prompt").value = "TOK's house"
            await go(pilot, "escape", "y")
            assert app.clipboard.startswith("loratui generate dog --prompt ")
            assert notified(pilot).count("loratui generate dog") == 1
            assert "--seed 0" in app.clipboard


async def test_a_run_that_trains_has_the_gpu() -> None:
    run, other = trained("dog"), trained("cat")
    with other.lock(), results_of(run) as app:
        async with app.run_test(size=NARROW) as pilot:
            assert "cat is training: a second model" in await go(pilot, "n")


async def test_what_keeps_a_picture_from_being_painted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with results_of(trained("dog")) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await go(pilot, "n", "enter")
            await sees(pilot, "The painting process has ended", "painter.log")


async def test_without_the_training_packages_the_line_that_installs_them_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MODULES, "train", ("not_installed_here",))
    with results_of(trained("dog")) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await go(pilot, "n", "enter")
            await sees(pilot, "pip install 'loratui[train]'")


@pytest.mark.slow
async def test_a_picture_is_painted_step_by_step_and_can_be_given_up(finished_run: Path, tmp_path: Path) -> None:
    run = RunDir(shutil.copytree(finished_run, tmp_path / "runs" / "done"))
    with results_of(run) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await go(pilot, "n")
            field(pilot, "num_inference_steps").value = "2"
            await pilot.press("enter")
            await sees(pilot, "esc cancels")
            await wait_for(pilot, lambda: len(pictures_of(run)) == 1)
            await sees(pilot, "Painted")
            field(pilot, "num_inference_steps").value = "1000"
            await pilot.press("enter")
            await sees(pilot, "Step ")
            await pilot.press("escape", "escape")
            await wait_for(pilot, lambda: not app.screen.jobs)  # pyright: ignore[reportAttributeAccessIssue]
            await sees(pilot, "Given up at step ", "of 1000")
            assert painters_of(run) == 1
            await go(pilot, "5")
            assert painters_of(run) == 0
    assert len(pictures_of(run)) == 1
    said = (run.samples / "generated" / "painter.log").read_text()
    assert "Error" not in said and "Traceback" not in said


# Compare


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_two_runs_stand_side_by_side(size: tuple[int, int]) -> None:
    run = trained("dog")
    trained("dog-2", steps=(150, 490), loss=0.25, lora={"rank": 4})
    with results_of(run) as app:
        async with app.run_test(size=size) as pilot:
            assert "o chooses it" in await go(pilot, "c")
            assert "Compare dog with" in await go(pilot, "o")
            text = await go(pilot, "enter")
            assert "lora.rank" in text and "dashes: dog-2" in text
            app.screen.query_one("#difference-rows", RowList).focus()
            assert "lora.rank (another LoRA): 32 / 4" in await go(pilot, "G")
            text = await go(pilot, "tab", "tab")
            assert "dog, step 800" in text and "dog-2, step 490" in text
            for _ in range(6):
                text = await go(pilot, "<")
            assert "dog, step 200" in text and "dog-2, step 150" in text
            assert "dog, step 300" in await go(pilot, ">")
            assert "dog-2, step 150" in await go(pilot, "enter", "right")


async def test_a_lone_run_has_nothing_to_compare_with() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=NARROW, notifications=True) as pilot:
            text = await go(pilot, "c")
            assert "o Other run" in text and "Later" not in text and "y Copy" not in text
            await go(pilot, "o")
            await sees(pilot, "There is no other run")


async def test_runs_without_samples_are_compared_all_the_same() -> None:
    run = trained("dog", steps=())
    trained("dog-2", steps=())
    with results_of(run) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            text = await go(pilot, "c", "o", "enter")
            assert "no sample pictures to compare" in text and "same settings" in text
            await go(pilot, "y")
            assert app.clipboard == "loratui compare dog dog-2"


def test_prompts_that_both_runs_have_are_paired() -> None:
    one = [SampleRow(prompt, 0, {100: Path("a")}) for prompt in ("dog", "cat")]
    other = [SampleRow(prompt, 0, {100: Path("b")}) for prompt in ("cat", "cow")]
    assert [(left.prompt, right.prompt) for left, right in pairs(one, other)] == [("cat", "cat")]
    assert [(left.prompt, right.prompt) for left, right in pairs(one[:1], other)] == [("dog", "cat")]


def test_the_first_and_the_last_step_are_among_those_spread() -> None:
    assert spread(STEPS, 3) == [100, 500, 800]
    assert spread(STEPS, 99) == list(STEPS)
    assert spread(STEPS, 1) == [800]


# Files


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_files_are_shown_with_their_state_and_where_they_go(size: tuple[int, int]) -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=size, notifications=True) as pilot:
            text = await go(pilot, "f")
            assert "output/dog.safetensors" in text and "✓ verified" in text
            assert "9 tensors are equal" in text
            assert "scp -r" in text and "diffusers" in text
            await go(pilot, "y")
            assert app.clipboard.startswith("scp -r ") and app.clipboard.endswith("/runs/dog/output .")


async def test_the_last_word_of_verifying_is_shown_in_the_list_and_on_the_strip() -> None:
    run = trained("dog")
    with results_of(run) as app:
        async with app.run_test(size=WIDE) as pilot:
            text = await go(pilot, "f")
            assert "✓ verified" in text and "6 Results  ✓ verified" in text
            again = Verified(ok=False, files=[], tensors=9, difference=None, message="a tensor differs")
            EventWriter(run.events_file).write(again)
            await go(pilot, "5", "6")
            await wait_for(pilot, lambda: "NOT verified" in screen_text(pilot))
            await sees(pilot, "a tensor differs", "6 Results  ✗ not verified")


async def test_the_files_of_a_run_that_was_copied_under_another_name_are_known() -> None:
    trained("dog").path.rename(Path("runs/my cat"))
    with results_of(RunDir(Path("runs/my cat"))) as app:
        async with app.run_test(size=WIDE) as pilot:
            text = await go(pilot, "f")
            assert "LoRA for ComfyUI" in text and "embeddings of the new tokens" in text
            assert "<lora:dog:1>" in text and "my cat.safetensors" not in text


async def test_a_run_without_files_says_so() -> None:
    run = made_run(Path("runs"), "dog", "stopped")
    with results_of(run) as app:
        async with app.run_test(size=NARROW, notifications=True) as pilot:
            assert "Nothing was exported yet" in await go(pilot, "f")
            await go(pilot, "e")
            await sees(pilot, "no checkpoint to export")


@pytest.mark.slow
async def test_files_are_verified_and_exported_from_a_checkpoint(finished_run: Path, tmp_path: Path) -> None:
    run = RunDir(shutil.copytree(finished_run, tmp_path / "runs" / "done"))
    with results_of(run) as app:
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            await go(pilot, "f")
            (run.output / "done.safetensors").write_bytes(b"no tensors")
            await pilot.press("v")
            await sees(pilot, "NOT verified", "6 Results  ✗ not verified")
            assert "Export from the checkpoint of" in await go(pilot, "e")
            await pilot.press("enter")
            await sees(pilot, "Wrote 3 files")
            await pilot.press("v")
            await sees(pilot, "done verified")


@pytest.mark.slow
async def test_verifying_can_be_cancelled(finished_run: Path, tmp_path: Path) -> None:
    run = RunDir(shutil.copytree(finished_run, tmp_path / "runs" / "done"))
    with results_of(run) as app:
        async with app.run_test(size=WIDE) as pilot:
            await go(pilot, "f")
            await pilot.press("v", "escape")
            began = time.monotonic()
            await wait_for(pilot, lambda: not app.screen.jobs)  # pyright: ignore[reportAttributeAccessIssue]
            assert time.monotonic() - began < 60


def test_a_painter_that_never_started_is_closed() -> None:
    Painter(trained("dog")).close()


async def test_the_screen_knows_the_text_of_every_view() -> None:
    with results_of(trained("dog")) as app:
        async with app.run_test(size=WIDE) as pilot:
            for key, word in {"n": "Prompt", "c": "o chooses it", "f": "Where they go", "s": "step 100"}.items():
                await go(pilot, "escape", key)
                await sees(pilot, word)
