"""A run on the command line: plain lines for a log, panels for a terminal."""

import io
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from curation.text import duration
from engine.config import TrainConfig
from engine.events import EventWriter, Finished, Phase, Pivot, Sample, Started, Step, Warned
from engine.rundir import RunDir, Status, create_run
from loratui.runs import live
from loratui.runs.live import panels, show_lines, show_panels
from loratui.runs.monitor import Monitor
from tests.loratui.program import run_in_a_terminal, run_loratui


@pytest.fixture
def ended(tmp_path: Path) -> RunDir:
    """A run of 40 steps that has finished, with a warning that looks like markup."""
    run = create_run(tmp_path, "one", TrainConfig())
    writer = EventWriter(run.events_file)
    writer.write(Started(name="one", pid=1, step=0, total_steps=40, pivot_step=20, photos=4, device="cpu"))
    writer.write(Phase(phase="training"))
    for step in range(1, 41):
        writer.write(
            Step(
                step=step,
                epoch=0,
                loss=1 / step,
                prior_loss=None,
                lr={"unet": 1.0},
                d=1e-5 * step,
                effective_lr=1e-5 * step,
                grad_norm=0.1,
                seconds=0.1,
                samples_per_second=10.0,
                memory=None,
            )
        )
        if step == 20:
            writer.write(Pivot(step=20))
    writer.write(Warned(message="a [red]word[/foo] \x1b[31m"))
    writer.write(Finished(step=40))
    run.write_status(Status(state="finished", step=40, total_steps=40, loss=1 / 40))
    return run


def test_plain_lines_tell_the_whole_history_and_the_last_step(ended: RunDir) -> None:
    lines: list[str] = []
    monitor = show_lines(ended, lines.append)
    assert monitor.state == "finished"
    assert any("pivot" in line for line in lines)
    assert any("[red]word[/foo]" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert lines[-1].startswith("step 40/40, loss 0.0250, lr 0.0004")


def test_a_step_is_said_once_however_long_the_worker_stays_at_it(
    ended: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(live, "LINE_SECONDS", 0.0)
    with ExitStack() as worker:
        worker.enter_context(ended.lock())
        refreshes = iter((lambda: None, lambda: None, worker.close))
        monkeypatch.setattr(live.time, "sleep", lambda _seconds: next(refreshes)())
        show_lines(ended, lines.append)
    assert len([line for line in lines if line.startswith("step 40/40")]) == 1


def test_panels_show_an_ended_run_and_return(ended: RunDir) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=40)
    assert show_panels(ended, console).state == "finished"


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_panels_hold_loss_rate_pivot_and_messages_at_any_width(ended: RunDir, width: int) -> None:
    monitor = Monitor(ended)
    monitor.refresh()
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(panels(monitor, width))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert max(len(line) for line in drawn.splitlines()) <= width
    assert "one  finished" in drawn and "loss" in drawn
    assert any(line.startswith("│ step 40/40") for line in drawn.splitlines())
    assert any("\u2800" < character <= "\u28ff" for character in drawn)
    if width >= 80:
        assert "pivot at 20" in drawn and "[red]word[/foo]" in drawn


def test_panels_show_a_run_that_has_not_begun(tmp_path: Path) -> None:
    monitor = Monitor(create_run(tmp_path, "new", TrainConfig()))
    monitor.refresh()
    console = Console(file=io.StringIO(), width=80)
    console.print(panels(monitor, 80))


def shown_by(run: RunDir, **terminal: Any) -> str:
    """What `train` and `attach` leave standing in a terminal of 100 by 50 cells, colours and all."""
    settings: dict[str, Any] = {"force_terminal": True, "width": 100, "height": 50, "color_system": "truecolor"}
    console = Console(file=io.StringIO(), **(settings | terminal))
    show_panels(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def add_samples(run: RunDir, steps: Sequence[int], prompts: int = 1) -> None:
    """Sample pictures of one grey each, by their step."""
    writer = EventWriter(run.events_file)
    for step, number in product(steps, range(prompts)):
        path = run.samples / f"{step:06d}-{number}.png"
        Image.new("RGB", (64, 64), (step, step, step)).save(path)
        writer.write(Sample(step=step, path=f"samples/{path.name}", prompt="TOK"))


def test_the_newest_sample_pictures_stand_beside_the_first_ones(ended: RunDir) -> None:
    add_samples(ended, [11, 22, 33, 44, 55])
    drawn = shown_by(ended)
    for step, is_shown in {11: True, 22: False, 33: False, 44: True, 55: True}.items():
        assert (f"38;2;{step};{step};{step}" in drawn) == is_shown
    lines = [line for line in drawn.splitlines() if "▀" in line]
    assert "11;11;11" in lines[0] and "55;55;55" in lines[0]


def test_attach_shows_them_in_a_terminal_and_only_there(ended: RunDir) -> None:
    add_samples(ended, [11, 22])
    assert "48;5;" in (drawn := run_in_a_terminal("attach", ended.path)) and "▀" in drawn
    piped = run_loratui("attach", ended.path)
    assert "▀" not in piped.stdout + piped.stderr and "samples/000022-0.png" in piped.stderr


def test_each_prompt_has_a_row_of_its_own(ended: RunDir) -> None:
    add_samples(ended, [11, 22], prompts=2)
    rows = [line for line in shown_by(ended).split("sample samples")[-1].splitlines() if "▀" in line]
    assert len(rows) == 2 * (31 // 2)


def test_a_low_terminal_shows_the_pictures_and_no_charts(ended: RunDir) -> None:
    assert "learning rate" in shown_by(ended, width=80, height=24)
    add_samples(ended, [11, 22])
    low = shown_by(ended, width=80, height=24)
    assert "▀" in low and "step 40/40" in low and "learning rate" not in low


@pytest.mark.parametrize(
    "terminal",
    [{"color_system": None}, {"no_color": True}, {"force_terminal": False}, {"_environ": {"TERM": "dumb"}}],
    ids=["no colours", "NO_COLOR", "a pipe", "a dumb terminal"],
)
def test_where_there_are_no_colours_the_path_is_all_that_is_said(ended: RunDir, terminal: dict[str, Any]) -> None:
    add_samples(ended, [11])
    drawn = shown_by(ended, **terminal)
    assert "▀" not in drawn and "samples/000011-0.png" in drawn


def test_a_sample_picture_that_is_gone_or_broken_is_said_to_be_so(ended: RunDir) -> None:
    add_samples(ended, [11, 22, 33])
    (ended.samples / "000011-0.png").unlink()
    (ended.samples / "000022-0.png").write_text("no picture \x1b[31m")
    drawn = shown_by(ended)
    assert "000011-0.png is gone." in drawn and "cannot be read" in drawn and "33;33;33" in drawn


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59.4, "59s"), (60, "1m00s"), (3600, "1h00m"), (11240, "3h07m")]
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert duration(seconds) == said
