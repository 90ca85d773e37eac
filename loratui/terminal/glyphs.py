"""The signs that screens and live displays draw with: one set for most fonts, and one of ASCII alone."""

import locale
import os
from dataclasses import dataclass
from typing import Literal

Choice = Literal["auto", "unicode", "ascii"]
Sign = Literal["done", "attention", "blocked", "open", "going"]


@dataclass(frozen=True)
class Glyphs:
    """Each sign is one cell wide.

    done, attention, blocked, open, going: how far a thing is.  marked: a row that was marked.  bar_full, bar_rest: the
    two parts of a bar.  cut: text goes on where it was cut off.  upper_half: the upper half of a cell, in the colour of
    the text.  up, down, right: directions.
    """

    is_ascii: bool
    done: str
    attention: str
    blocked: str
    open: str
    going: str
    marked: str
    bar_full: str
    bar_rest: str
    cut: str
    upper_half: str
    up: str
    down: str
    right: str

    def sign(self, sign: Sign) -> str:
        """How far a thing is, as it is drawn."""
        return str(getattr(self, sign))


UNICODE = Glyphs(
    is_ascii=False,
    done="✓",
    attention="!",
    blocked="✗",
    open="·",
    going="▶",
    marked="●",
    bar_full="━",
    bar_rest="─",
    cut="…",
    upper_half="▀",
    up="↑",
    down="↓",
    right="→",
)
ASCII = Glyphs(
    is_ascii=True,
    done="+",
    attention="!",
    blocked="X",
    open=".",
    going="*",
    marked="#",
    bar_full="=",
    bar_rest="-",
    cut="~",
    upper_half=" ",
    up="^",
    down="v",
    right=">",
)

_in_use: Glyphs | None = None


def glyphs() -> Glyphs:
    """The set in use: the one that was asked for by `use_glyphs`, else what the terminal can show."""
    return _in_use or use_glyphs("auto")


def use_glyphs(choice: Choice) -> Glyphs:
    """Draw with this set from now on; "auto" looks at the terminal. Returns the set."""
    global _in_use
    if choice == "auto":
        choice = "unicode" if terminal_shows_unicode() else "ascii"
    _in_use = UNICODE if choice == "unicode" else ASCII
    return _in_use


def terminal_shows_unicode() -> bool:
    """Whether the locale's encoding holds the signs, and the terminal is not the Linux console with its 512 glyphs."""
    signs = "".join(sign for sign in vars(UNICODE).values() if isinstance(sign, str))
    try:
        signs.encode(locale.getencoding())
    except (UnicodeEncodeError, LookupError):
        return False
    return os.environ.get("TERM") != "linux"
