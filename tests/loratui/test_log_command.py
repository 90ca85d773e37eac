"""`loratui log` shows what the worker wrote, also as it comes, and obeys none of it."""

import os
import subprocess
from pathlib import Path

from engine.rundir import Status
from loratui.runs.log_follower import LogFollower
from tests.loratui.made_runs import made_run
from tests.loratui.program import COMMAND, run_loratui, wait_until


def test_control_sequences_are_shown_and_the_last_lines_chosen(tmp_path: Path) -> None:
    run = made_run(tmp_path, "her", "failed")
    run.log_file.write_bytes(b"one\n\x1b[31mtwo\r50%\n\xff three \xe2\x9c\x93\ntorn")
    all_of_it = run_loratui("log", "her", "--runs-dir", tmp_path).stdout
    assert all_of_it == "one\n\\x1b[31mtwo\\r50%\n\\xff three \u2713\ntorn\n"
    assert run_loratui("log", "her", "--lines", "2", "--runs-dir", tmp_path).stdout == "\\xff three \u2713\ntorn\n"


def test_a_run_without_a_log_has_nothing_to_show(tmp_path: Path) -> None:
    made_run(tmp_path, "her", "queued")
    done = run_loratui("log", "her", "--runs-dir", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_following_ends_with_the_run_and_shows_its_last_words(tmp_path: Path) -> None:
    run = made_run(tmp_path, "her", "running")
    run.log_file.write_bytes(b"long ago\nbefore\n")
    with run.lock():
        command = [*COMMAND, "log", "her", "-f", "--lines", "1", "--runs-dir", str(tmp_path)]
        viewer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert viewer.stdout is not None and viewer.stdout.readline() == "before\n"
        with run.log_file.open("ab") as log:
            log.write(b"mean")
            log.flush()
            log.write(b"while\nlast words")
        assert viewer.stdout.readline() == "meanwhile\n"
        assert viewer.poll() is None
        run.write_status(Status(state="failed"))
    assert viewer.communicate(timeout=60)[0] == "last words\n"
    assert viewer.returncode == 0


def test_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    follower = LogFollower(path)
    assert follower.new() == []
    path.write_bytes(b"one\ntw")
    assert follower.new() == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert follower.new() == [b"two"] and follower.rest() == []


def test_a_log_that_is_moved_away_is_read_to_its_end_and_the_new_one_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"one\n")
    follower = LogFollower(path)
    assert follower.new() == [b"one"]
    with path.open("ab") as file:
        path.rename(tmp_path / "log.txt.1")
        file.write(b"two\n")
    assert follower.new() == [b"two"]
    path.write_bytes(b"three\n")
    assert follower.new() == [b"three"]


def test_a_log_that_is_cut_back_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"one\ntorn")
    follower = LogFollower(path, last=1)
    assert follower.new() == []
    os.truncate(path, 0)
    assert follower.new() == [b"torn"]
    with path.open("ab") as file:
        file.write(b"two\n")
    assert follower.new() == [b"two"]
    wait_until(lambda: follower.new() == [], "nothing more")
