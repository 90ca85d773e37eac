"""What the real program sends over the line: nothing while nothing happens, little for a key, a picture and a run."""

from pathlib import Path

import pytest

from benchmarks.tui import Row, cursor, idle, pictures, train
from benchmarks.tui_worlds import write_world

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return write_world(tmp_path)


def broken(rows: list[Row]) -> list[str]:
    """The rows that are over their limit."""
    return [f"{row.what}: {row.measured}" for row in rows if row.holds is False]


def test_an_idle_screen_and_a_passing_mouse_send_nothing(world: Path) -> None:
    assert broken(list(idle(world))) == []


def test_a_moved_cursor_sends_a_kilobyte_at_most_with_all_that_follows_it(world: Path) -> None:
    assert broken(list(cursor(world))) == []


def test_a_change_of_picture_stays_within_its_limit(world: Path) -> None:
    assert broken(list(pictures(world))) == []


def test_a_run_that_is_watched_stays_within_its_limit(world: Path) -> None:
    assert broken(list(train(world))) == []
