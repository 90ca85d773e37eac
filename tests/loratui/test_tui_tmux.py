"""The TUI where it lives: in tmux at 80x24, with clients whose line drops."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.launcher import wait
from engine.rundir import RunDir, list_runs
from tests.loratui.program import COMMAND, run_loratui, wait_until, write_tiny_config
from tests.loratui.tmux import NARROW, Tmux

pytestmark = pytest.mark.slow
LONG = 100_000  # steps of a run that does not end by itself


@pytest.fixture
def tmux(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Tmux]:
    """In an environment as that of shells which export the size that they began with."""
    # A socket's path has room for a hundred characters.
    place = tmp_path_factory.getbasetemp().parent
    folders = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}
    tmux = Tmux(place, NARROW, {**folders, "COLUMNS": "80", "LINES": "24"})
    yield tmux
    tmux.close()


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with a lora.toml for a run that goes on until it is stopped."""
    write_tiny_config(tmp_path / "lora.toml", photos, LONG)
    yield tmp_path
    for run in list_runs(tmp_path / "runs"):
        run.request("stop_now")
        wait(run)


def only_run(folder: Path) -> RunDir:
    [run] = list_runs(folder / "runs")
    return run


def test_a_run_goes_on_without_the_client_that_started_it_and_is_there_for_the_next_one(
    tmux: Tmux, folder: Path
) -> None:
    tmux.start([*COMMAND, "--photos", "photos"], folder)
    with tmux.client():
        tmux.sees("1 Photos", "astronaut.png")
        tmux.press("4")
        tmux.sees("Plan")
        tmux.press("s")
        tmux.sees("running")
        run = only_run(folder)
    assert tmux.is_alive()
    reached = run.status().step
    wait_until(lambda: run.status().step > reached, "more steps after the client was killed")
    with tmux.client():
        tmux.sees("running", run.name)
        tmux.press("1")
        tmux.sees("astronaut.png")


def test_a_caption_and_a_run_outlive_the_whole_server_and_attach_comes_back(tmux: Tmux, folder: Path) -> None:
    tmux.start([*COMMAND, "--photos", "photos"], folder)
    tmux.sees("astronaut.png")
    tmux.press("4")
    tmux.sees("Plan")
    tmux.press("s")
    tmux.sees("running")
    run = only_run(folder)
    tmux.press("3")
    tmux.sees("Next without")
    tmux.press("e")
    tmux.sees("Leave field")
    tmux.write("TOK in a suit [/foo]")
    tmux.sees("TOK in a suit [/foo]")
    tmux.close()
    metadata = folder / "photos" / "metadata.jsonl"
    wait_until(lambda: metadata.exists() and "TOK in a suit [/foo]" in metadata.read_text(), "the caption on disk")
    reached = run.status().step
    wait_until(lambda: run.status().step > reached, "more steps after the server was killed")
    tmux.start([*COMMAND, "--run", run.name], folder)
    tmux.sees("running", run.name)
    tmux.press("q")
    wait_until(lambda: not tmux.is_alive(), "the program to leave")
    assert run.is_alive()


def test_leaving_says_how_to_come_back_to_the_run(tmux: Tmux, folder: Path) -> None:
    run_loratui("train", folder / "lora.toml", "--name", "her", "--detach", cwd=folder)
    shell = f"{sys.executable} -m loratui --run her; cat"
    tmux.start(["sh", "-c", shell], folder)
    tmux.sees("her", "5 Train")
    tmux.press("q")
    tmux.sees("The run her goes on. Come back with: loratui attach her")


def test_nothing_of_a_smaller_window_is_left_in_a_larger_one(tmux: Tmux, folder: Path) -> None:
    tmux.start([*COMMAND, "--photos", "photos"], folder)
    tmux.sees("astronaut.png")
    tmux.resize(120, 40)
    tmux.press("4")
    tmux.sees("> 6 Results", "lora.toml")
    tmux.resize(60, 15)
    tmux.sees("loratui needs")
    tmux.resize(120, 40)
    tmux.sees("lora.toml", "> 6 Results")
    wait_until(lambda: "loratui needs" not in tmux.screen(), "the end of the repainting")
