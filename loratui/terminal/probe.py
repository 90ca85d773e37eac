"""How the terminal can draw pictures, asked before the app takes it over: no answer comes as keystrokes."""

import contextlib
import os
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loratui.terminal import kitty

PATIENCE_SECONDS = 2.0
"""A terminal answers within the line's round trip; a silent one is given up after that."""
TMUX_SECONDS = 1.0

QUERY = kitty.QUERY + "\r\x1b[K\x1b[>q\x1b[16t\x1b[c"
"""Whether kitty's graphics are there; wipe what a terminal without them may have printed; its name; the pixels of a
cell; and last the device attributes, which every terminal tells: with their answer all others have come."""
ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
CELL = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
NAME = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
SIXEL_ATTRIBUTE = b"4"
PLACEHOLDER_NAMES = (b"kitty", b"ghostty")
"""Terminals that draw pictures in place of characters; others that speak kitty's protocol, such as WezTerm, do not."""
SILENT_TERMS = {"", "dumb", "linux"}
"""Values of TERM without pictures, of terminals that may print the questions."""

TMUX_FORMAT = "#{sixel_support} #{client_cell_width} #{client_cell_height} #{client_termfeatures}"


@dataclass(frozen=True)
class Terminal:
    """kitty, sixel: whether it draws pictures sent in that way.  cell: width and height of a character in pixels.

    in_tmux: whether what it draws passes through tmux, which may forward or keep it.
    """

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = (10, 20)
    in_tmux: bool = False


PLAIN = Terminal()
"""One of which nothing is known: it shows text."""


class Probe:
    """A question to the terminal, under way.  `answer` waits for what is still to come."""

    def __init__(self, reading: int | None) -> None:
        self._reading = reading
        self._asked = time.monotonic()

    def answer(self) -> Terminal:
        """What the terminal said of itself, within 2 s of the question; no pictures where it said nothing."""
        if self._reading is None:
            return _of_tmux() if "TMUX" in os.environ else PLAIN
        reply = b""
        while not ATTRIBUTES.search(reply):
            left = self._asked + PATIENCE_SECONDS - time.monotonic()
            if left <= 0 or not select.select([self._reading], [], [], left)[0]:
                break
            part = os.read(self._reading, 4096)
            if not part:
                break
            reply += part
        return terminal_of(reply)


@contextlib.contextmanager
def asking() -> Iterator[Probe]:
    """Ask the terminal at once; within the block its answers are neither shown nor taken for keys.

    Nothing is asked where stdin or stderr is no terminal, nor inside tmux and screen, which answer for themselves.
    """
    reading, writing = sys.__stdin__, sys.__stderr__
    if not (reading and writing and reading.isatty() and writing.isatty() and is_worth_asking(os.environ)):
        yield Probe(None)
        return
    before = termios.tcgetattr(reading)
    quiet = termios.tcgetattr(reading)
    quiet[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(reading, termios.TCSADRAIN, quiet)
    try:
        os.write(writing.fileno(), QUERY.encode())
        yield Probe(reading.fileno())
    finally:
        termios.tcsetattr(reading, termios.TCSAFLUSH, before)  # what came late, and was not read, is gone


def is_worth_asking(environ: Mapping[str, str]) -> bool:
    """Whether a terminal of this environment answers, and has nothing between itself and the program."""
    multiplexed = "TMUX" in environ or "STY" in environ
    return not multiplexed and environ.get("TERM", "") not in SILENT_TERMS


def terminal_of(reply: bytes) -> Terminal:
    """What all the answers to QUERY say, in any order and among anything else."""
    attributes, cell, name = ATTRIBUTES.search(reply), CELL.search(reply), NAME.search(reply)
    height, width = (int(side) for side in cell.groups()) if cell else (0, 0)
    return Terminal(
        kitty=kitty.ANSWER in reply and bool(name) and name[1].lower().startswith(PLACEHOLDER_NAMES),
        sixel=bool(attributes) and SIXEL_ATTRIBUTE in attributes[1].split(b";")[1:],
        cell=(width, height) if width and height else PLAIN.cell,
    )


def terminal_of_tmux(answer: str) -> Terminal:
    """What tmux says in TMUX_FORMAT: it passes sixel on where it was built for that and the outer terminal has it."""
    support, width, height, features = [*answer.strip("\n").split(" "), "", "", "", ""][:4]
    sides = [int(side) if side.isdecimal() else 0 for side in (width, height)]
    return Terminal(
        sixel=support == "1" and "sixel" in features.split(","),
        cell=(sides[0], sides[1]) if all(sides) else PLAIN.cell,
        in_tmux=True,
    )


def _of_tmux() -> Terminal:
    try:
        asked = subprocess.run(
            ["tmux", "display-message", "-p", TMUX_FORMAT], capture_output=True, text=True, timeout=TMUX_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return Terminal(in_tmux=True)
    return terminal_of_tmux(asked.stdout)
