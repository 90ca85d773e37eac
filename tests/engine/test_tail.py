"""The end of a file is read from its end."""

import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import tail
from engine.tail import lines_backwards, start_of_last_lines

LINES = st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=12)
quickly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "BLOCK", 5)


def lines_of(content: bytes) -> list[bytes]:
    whole = content.split(b"\n")
    return whole[:-1] if whole[-1] == b"" else whole


@quickly
@given(LINES, st.booleans())
def test_the_lines_are_those_of_the_file_last_one_first(tmp_path: Path, lines: list[bytes], torn: bool) -> None:
    content = b"\n".join(lines) + (b"" if torn else b"\n")
    (tmp_path / "log").write_bytes(content)
    assert list(lines_backwards(tmp_path / "log")) == lines_of(content)[::-1]


@quickly
@given(LINES, st.booleans(), st.integers(0, 15))
def test_the_last_lines_begin_where_they_begin(tmp_path: Path, lines: list[bytes], torn: bool, count: int) -> None:
    content = b"\n".join(lines) + (b"" if torn else b"\n")
    (tmp_path / "log").write_bytes(content)
    with (tmp_path / "log").open("rb") as file:
        rest = content[start_of_last_lines(file, count) :]
    assert lines_of(rest) == (lines_of(content)[-count:] if count else [])


def test_of_a_file_that_is_not_there_no_lines(tmp_path: Path) -> None:
    assert list(lines_backwards(tmp_path / "none")) == []


def test_the_last_line_of_a_terabyte_comes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.touch()
    os.truncate(path, 2**40)  # sparse: it takes no room
    with path.open("ab") as file:
        file.write(b"\nlast but one\nlast\n")
    assert list(islice(lines_backwards(path), 2)) == [b"last", b"last but one"]
