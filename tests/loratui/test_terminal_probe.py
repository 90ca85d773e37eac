"""Asking a terminal what it can draw: what is made of its answers, how long it may take, and that none is typed."""

import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tui_terminal import KITTY, PLAIN, SIXEL, PtyTerminal
from loratui.terminal.probe import QUERY, Terminal, is_worth_asking, terminal_of, terminal_of_tmux
from loratui.terminal.ways import chosen, ways_of

KITTY_REPLY, SIXEL_REPLY = b"".join(KITTY.values()), b"".join(SIXEL.values())

ASK_AND_LISTEN = """
import os, select, sys, time, tty
from loratui.terminal.probe import asking
began = time.monotonic()
with asking() as probe:
    terminal = probe.answer()
print(f"said {terminal} after {time.monotonic() - began:.2f} s;")
tty.setcbreak(0)
print("listening;", flush=True)
while select.select([0], [], [], 1.0)[0]:
    print("typed", ascii(os.read(0, 99)), flush=True)
print("done")
"""


def said(**options) -> str:
    """All that a program printed which asks its terminal and then listens to the keyboard for a second."""
    with PtyTerminal([sys.executable, "-c", ASK_AND_LISTEN], cwd=Path(__file__).parents[2], **options) as terminal:
        return terminal.receive_until(lambda came: b"done" in came).decode()


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_terminal_says_what_it_has_and_nothing_of_it_is_typed_however_slow_the_line(delay: float) -> None:
    for answers, expected in ((KITTY, Terminal(kitty=True)), (SIXEL, Terminal(sixel=True)), (PLAIN, Terminal())):
        printed = said(answers=answers, delay=delay)
        assert f"said {expected}" in printed
        assert "typed" not in printed


def test_a_terminal_that_never_answers_is_given_up_after_two_seconds() -> None:
    began = time.monotonic()
    printed = said(answers={})
    assert f"said {Terminal()} after 2." in printed
    assert time.monotonic() - began < 60  # of which the most goes into starting Python


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": "linux"}, {"STY": "1.screen"}])
def test_where_no_answer_can_be_had_nothing_is_asked(environ: dict[str, str]) -> None:
    printed = said(environ=environ)
    assert f"said {Terminal()} after 0." in printed
    assert "\x1b[c" not in printed


def test_keys_that_were_typed_meanwhile_are_not_echoed_into_the_question() -> None:
    printed = said(answers={b"\x1b[c": b"jj\x1b[?62;4;22c"})
    assert "sixel=True" in printed
    assert "jj" not in printed


def test_inside_tmux_the_terminal_is_not_asked() -> None:
    assert is_worth_asking({"TERM": "xterm-256color"})
    assert not is_worth_asking({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"})
    assert terminal_of_tmux("1 9 18 256,RGB,sixel,title\n") == Terminal(sixel=True, cell=(9, 18), in_tmux=True)


@pytest.mark.parametrize(
    "answer", ["", "\n", " 9 18 256,RGB", "1 9 18 256,RGB", "0 9 18 sixel", "1 0 0 256,sixels", "x"]
)
def test_a_tmux_without_sixel_or_on_a_terminal_without_it_draws_half_blocks(answer: str) -> None:
    terminal = terminal_of_tmux(answer)
    assert not terminal.sixel
    assert ways_of(terminal, has_colours=True) == ("half-blocks", "off")


def test_the_last_question_is_the_one_that_every_terminal_answers() -> None:
    assert QUERY.endswith("\x1b[c")


def test_wezterm_speaks_kittys_protocol_without_its_placeholders() -> None:
    reply = KITTY_REPLY.replace(b"kitty(0.41.1)", b"WezTerm 20240203").replace(b"\x1b[?62;c", b"\x1b[?65;4;6;18;22c")
    assert terminal_of(reply) == Terminal(sixel=True, cell=(10, 20))


def test_the_number_four_counts_as_an_attribute_and_not_as_the_terminals_class() -> None:
    assert terminal_of(b"\x1b[?64;4c").sixel
    assert not terminal_of(b"\x1b[?4;6c").sixel
    assert not terminal_of(b"\x1b[?64;14;44c").sixel


@given(st.binary(), st.integers(0, len(KITTY_REPLY)), st.binary())
def test_any_bytes_are_an_answer_of_some_kind(before: bytes, cut: int, after: bytes) -> None:
    terminal = terminal_of(before + KITTY_REPLY[cut:] + after)
    assert min(terminal.cell) > 0


@given(st.binary(max_size=40).filter(lambda noise: b"\x1b" not in noise))
def test_answers_are_found_among_keys(noise: bytes) -> None:
    assert terminal_of(noise.join([b"", *KITTY.values(), b""])) == Terminal(kitty=True, cell=(10, 20))


def test_the_ways_begin_with_the_best_and_a_choice_holds_where_it_works() -> None:
    can_all = ways_of(Terminal(kitty=True, sixel=True), has_colours=True)
    assert can_all == ("kitty", "sixel", "half-blocks", "off")
    assert ways_of(Terminal(sixel=True, in_tmux=True), has_colours=True) == ("half-blocks", "sixel", "off")
    assert ways_of(Terminal(kitty=True), has_colours=False) == ("off",)
    assert chosen("auto", can_all) == "kitty"
    assert chosen("sixel", can_all) == "sixel"
    assert chosen("kitty", ("half-blocks", "off")) == "half-blocks"
