"""A run on the command line: plain lines for a log, panels for a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from engine.config import TrainConfig
from engine.events import EventWriter, Finished, Phase, Pivot, Started, Step, Warned
from engine.rundir import RunDir, Status, create_run
from loratui.live import duration, panels, show_lines, show_panels
from loratui.monitor import Monitor


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


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59.4, "59s"), (60, "1m00s"), (3600, "1h00m"), (11240, "3h07m")]
)
def test_durations_read_well(seconds: float, said: str) -> None:
    assert duration(seconds) == said
