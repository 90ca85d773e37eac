"""The event log: whole lines, torn lines, and lines of a newer version."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.events import Event, EventFollower, EventWriter, Failed, Pivot, Warned, decode, encode


def test_a_follower_gets_each_event_once_and_in_order(tmp_path: Path) -> None:
    writer, follower = EventWriter(tmp_path / "events.jsonl"), EventFollower(tmp_path / "events.jsonl")
    writer.write(Pivot(step=1))
    writer.write(Pivot(step=2))
    assert [event.step for event in follower.new() if isinstance(event, Pivot)] == [1, 2]
    assert follower.new() == []
    writer.write(Pivot(step=3))
    assert [event.step for event in follower.new() if isinstance(event, Pivot)] == [3]


def test_a_file_that_is_not_there_yet_has_no_events(tmp_path: Path) -> None:
    assert EventFollower(tmp_path / "events.jsonl").new() == []


def test_a_half_written_last_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = encode(Pivot(step=7)).encode() + b"\n"
    path.write_bytes(line[:10])
    follower = EventFollower(path)
    assert follower.new() == []
    path.write_bytes(line)
    assert follower.new() == [Pivot(step=7)]


def test_a_torn_line_of_a_killed_worker_does_not_swallow_the_next_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(encode(Pivot(step=1)).encode()[:15])
    EventWriter(path).write(Pivot(step=2))
    assert [event.step for event in EventFollower(path).new() if isinstance(event, Pivot)] == [2]


def test_unknown_types_and_fields_are_passed_over() -> None:
    assert decode('{"type": "of the future"}') is None
    assert decode("[]") is None
    assert decode('{"type": "pivot"}') is None
    assert decode('{"type": "pivot", "step": 3, "new": 1, "v": 2}') == Pivot(step=3)


# Surrogates stand for the bytes of a file name that is not UTF-8.
ANY_TEXT = st.text(st.characters(codec=None, categories=None))


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_survives_in_one_line(problem: str, remedy: str) -> None:
    event: Event = Failed(problem=problem, remedy=remedy)
    line = encode(event)
    assert "\n" not in line
    assert decode(line) == event


def test_every_line_says_version_time_and_type(tmp_path: Path) -> None:
    EventWriter(tmp_path / "events.jsonl").write(Warned(message="x"))
    fields = json.loads((tmp_path / "events.jsonl").read_text())
    assert fields["v"] == 1 and fields["type"] == "warning" and fields["time"] > 0
