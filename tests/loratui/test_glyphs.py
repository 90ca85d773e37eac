"""The two sets of signs, and which of them a terminal gets."""

import dataclasses
import os
import subprocess
import sys

import pytest
from rich.cells import cell_len

from loratui.terminal.glyphs import ASCII, UNICODE, glyphs, use_glyphs

SAYS = "from loratui.terminal.glyphs import glyphs; print(glyphs().is_ascii)"


@pytest.mark.parametrize("glyph_set", [UNICODE, ASCII])
def test_each_sign_is_one_cell(glyph_set: object) -> None:
    signs = [sign for sign in vars(glyph_set).values() if isinstance(sign, str)]
    assert {cell_len(sign) for sign in signs} == {1}


def test_the_states_of_a_thing_are_told_apart_in_both_sets() -> None:
    for glyph_set in (UNICODE, ASCII):
        states = [glyph_set.done, glyph_set.attention, glyph_set.blocked, glyph_set.open, glyph_set.going]
        assert len(set(states)) == len(states)
        assert glyph_set.sign("blocked") == glyph_set.blocked
    assert all(sign.isascii() for sign in dataclasses.astuple(ASCII) if isinstance(sign, str))


def test_the_set_that_was_asked_for_is_in_use() -> None:
    try:
        assert use_glyphs("ascii") is glyphs() is ASCII
        assert use_glyphs("unicode") is glyphs() is UNICODE
    finally:
        use_glyphs("auto")


@pytest.mark.parametrize(
    ("environment", "is_ascii"),
    [
        ({"LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}, False),
        ({"LC_ALL": "C.UTF-8", "TERM": "linux"}, True),
        ({"LC_ALL": "C", "TERM": "xterm-256color"}, True),
    ],
)
def test_a_terminal_that_cannot_show_the_signs_gets_ascii(environment: dict[str, str], is_ascii: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAYS], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(is_ascii)
