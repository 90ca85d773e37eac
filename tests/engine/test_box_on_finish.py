"""on_finish: the last thing that happens, when a run has finished, failed or stopped, and never a part of it."""

import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from engine.box import box_problems
from engine.config import compose
from engine.events import Event, Failed, Finished, Paused, Stopped
from engine.rundir import RunDir
from tests.engine.box import attend, made_run, program, started
from tests.run_events import step

GIVE_UP_SECONDS = 20.0
FAILED = Failed(problem="The disk is full.", remedy="Make room.")


def words_of(file: Path) -> list[str]:
    """The lines of a file that another process writes, once it is there."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} is not written"
        time.sleep(0.01)
    return file.read_text().splitlines()


def reporter(folder: Path) -> tuple[str, Path]:
    """A command that writes down its words and variables, and where to."""
    said = folder / "said"
    script = (
        f'printf "%s\\n" "$@" $(ps -o sid= -p $$) "$LORATUI_EVENT" "$LORATUI_RUN" "$LORATUI_STATE" "$LORATUI_STEP" '
        f'"$LORATUI_MESSAGE" "$LORATUI_FOLDER" > {said}.part\nmv {said}.part {said}'
    )
    return str(program(folder / "bin" / "report", script)), said


@pytest.mark.parametrize(
    ("end", "state", "message"),
    [
        (Finished(step=2), "finished", "cat finished."),
        (Stopped(step=2), "stopped", "cat stopped."),
        (FAILED, "failed", "The disk is full. Make room."),
    ],
)
def test_it_is_run_at_every_end_and_told_which(tmp_path: Path, end: Event, state: str, message: str) -> None:
    command, said = reporter(tmp_path)
    run = made_run(tmp_path / "runs", on_finish=f"{command} '$(touch owned) *' --now")
    attend(run, started(), step(2), end)
    first, second, session, *told = words_of(said)
    assert (first, second) == ("$(touch owned) *", "--now"), "no shell has read them"
    assert int(session) != os.getsid(0), "whoever kills the worker's session does not kill it"
    assert told == [end.type, "cat", state, "2", message, str(run.path)]


def test_a_paused_run_is_not_over(tmp_path: Path) -> None:
    command, said = reporter(tmp_path)
    attend(made_run(tmp_path / "runs", on_finish=command), started(), step(1), Paused(step=1))
    attend(made_run(tmp_path / "runs", "dog", on_finish=command), started(), step(1), Stopped(step=1))
    assert words_of(said)[2] == "dog", "the first one's would have come first"


def test_nobody_works_at_the_run_any_more_when_it_starts(tmp_path: Path) -> None:
    """So that it may resume, move or delete the run."""
    folder = tmp_path / "runs" / "cat"
    script = f"flock --nonblock {folder}/run.lock grep -o finished {folder}/status.json > {tmp_path}/part"
    command = program(tmp_path / "bin" / "look", f"{script}\nmv {tmp_path}/part {tmp_path}/said")
    run = made_run(tmp_path / "runs", on_finish=str(command))
    attend(run, started(), step(1), Finished(step=1))
    assert words_of(tmp_path / "said") == ["finished"]


def test_it_is_not_waited_for(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/said; exec sleep 600"
    command = program(tmp_path / "bin" / "slow", script)
    attend(made_run(tmp_path / "runs", on_finish=str(command)), started(), step(1), Finished(step=1))
    [pid] = words_of(tmp_path / "said")
    os.kill(int(pid), signal.SIGKILL)  # it is there still


def test_one_that_does_not_start_is_a_line_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = made_run(tmp_path / "runs", on_finish="/nowhere/poweroff")
    attend(run, started(), step(1), Finished(step=1))
    assert "on_finish does not start: No such file or directory.\n" in capfd.readouterr().err
    assert run.status().state == "finished"


def problems(**settings: str) -> list[str]:
    return [str(problem) for problem in box_problems(compose(flags={"run": settings}).config)]


@pytest.mark.parametrize("setting", ["on_finish", "notify_command"])
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("'sudo shutdown", "cannot be taken apart into words: No closing quotation"),
        ("", "is an empty command"),
        ("no-such-program --now", "no-such-program, which is not on this machine"),
        ("bin/poweroff", "by a part of its path"),
        ("~/poweroff", "by a part of its path"),
    ],
)
def test_what_cannot_be_run_is_found_before_the_run(setting: str, command: str, said: str) -> None:
    [problem] = problems(**{setting: command})
    assert problem.startswith(setting) and said in problem


def test_a_program_of_this_machine_is_fine() -> None:
    assert problems(on_finish=shlex.join(["sh", "-c", "exit 1"]), notify_command="/bin/sh -c 'exit 1'") == []


def test_a_run_whose_config_cannot_be_read_fails_without_it(tmp_path: Path) -> None:
    run: RunDir = made_run(tmp_path / "runs", on_finish="/bin/true")
    run.config_file.write_text("[run\n")
    attend(run, FAILED)
    assert run.status().state == "failed"
