"""The ways to draw a picture, and which of them a terminal has."""

from typing import Literal

from loratui.terminal.probe import Terminal

Way = Literal["half-blocks", "kitty", "sixel", "off"]
Choice = Literal["auto", "half-blocks", "kitty", "sixel", "off"]
COLOURS = {"256", "truecolor", "windows"}
"""The colour systems of rich that a picture can be told in."""


def ways_of(terminal: Terminal, has_colours: bool) -> tuple[Way, ...]:
    """The ways that work here, the best first; without colours there are none, and words stand for pictures.

    Half blocks come first in tmux: pictures that it passes on are sent again with each change of window, and half
    blocks cost a tenth.
    """
    if not has_colours:
        return ("off",)
    graphics: tuple[Way, ...] = (*(["kitty"] if terminal.kitty else []), *(["sixel"] if terminal.sixel else []))
    return ("half-blocks", *graphics, "off") if terminal.in_tmux else (*graphics, "half-blocks", "off")


def chosen(choice: Choice, ways: tuple[Way, ...]) -> Way:
    """What the user asked for where it works here, else the best that does."""
    return ways[0] if choice == "auto" or choice not in ways else choice
