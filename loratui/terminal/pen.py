"""Cells of the terminal, and the fewest bytes that write them: only what differs from where and how one writes."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from rich.cells import cell_len

RESET = "\x1b[0m"
TOKEN = re.compile(r"\x1b\[([\d;]*)m|([^\x1b]+)")
UNSEEN = frozenset("123")
"""Bold, dim and italic: a blank looks the same with and without them."""
END = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29"} | {
    "21": "24",
    "51": "54",
    "52": "54",
    "53": "55",
}
"""What ends an attribute that Rich can give a text (ECMA-48, 8.3.117)."""


class Style(NamedTuple):
    """What a sequence of SGR codes sets.  foreground, background: the codes of a colour; "" for the terminal's own."""

    attributes: frozenset[str] = frozenset()
    foreground: str = ""
    background: str = ""


PLAIN = Style()

Cell = tuple[Style, str]
"""A cell's style and character; "" in the second cell of a wide one."""


class Pen:
    """Where and how the terminal writes, within a frame that begins anywhere in the plain style."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._place = (0, 0)
        self._style = PLAIN

    def write(self, y: int, x: int, cells: Sequence[Cell]) -> None:
        """Write these cells of a line."""
        self._move(y, x)
        for style, character in cells:
            if character == " " and not style.attributes and not style.foreground:
                style = _blank(self._style, style)
            if character and style != self._style:
                self._sent.append(_switch(self._style, style))
                self._style = style
            self._sent.append(character)
        is_narrow = all(character for _, character in cells)  # terminals differ about how wide some others are
        self._place = (y, x + len(cells)) if is_narrow else (0, 0)

    def copy(self, y: int, x: int, text: str) -> None:
        """Write text that has sequences of its own, and ends in the plain style."""
        self.reset()
        self._move(y, x)
        self._sent.append(text)
        self._place = (0, 0)

    def reset(self) -> None:
        """Go on in the plain style."""
        if self._style != PLAIN:
            self._sent.append(RESET)
            self._style = PLAIN

    @property
    def sent(self) -> str:
        """All that was written."""
        return "".join(self._sent)

    def _move(self, y: int, x: int) -> None:
        at_y, at_x = self._place
        if y == at_y and x > at_x:
            self._sent.append(f"\x1b[{x - at_x}C")
        elif (y, x) != self._place:
            self._sent.append(f"\x1b[{y};{x}H")


def cells_of(text: str) -> Iterator[Cell]:
    """The cells of styled text, in which each sequence stands for a whole style."""
    style = PLAIN
    for codes, characters in TOKEN.findall(text):
        if not characters:
            style = style_of(codes)
        for character in characters:
            yield (_ground(style) if character == " " else style), character
            if not character.isascii() and cell_len(character) == 2:
                yield style, ""


@lru_cache(4096)
def style_of(codes: str) -> Style:
    """The style that a sequence sets, by its codes: "1;38;5;12;48;5;0"."""
    attributes, foreground, background = set(), "", ""
    rest = iter(codes.split(";"))
    for code in rest:
        if code in {"38", "48"}:
            kind = next(rest)
            colour = ";".join((code, kind, *islice(rest, 3 if kind == "2" else 1)))
        else:
            colour = code
        if code in END:
            attributes.add(code)
        elif code == "38" or (len(code) == 2 and code[0] in "39"):
            foreground = "" if code == "39" else colour
        elif code not in {"", "0"}:
            background = "" if code == "49" else colour
    return Style(frozenset(attributes), foreground, background)


@lru_cache(4096)
def _ground(style: Style) -> Style:
    """The style that shows all there is to see of a blank: its background, unless there is a line in it."""
    if style.attributes <= UNSEEN:
        return Style(background=style.background)
    if style.attributes <= UNSEEN | {"7"} and style.foreground[:2] == "38":  # reversed, as Textual's scrollbars are
        return Style(background=f"4{style.foreground[1:]}")
    return style


@lru_cache(4096)
def _blank(before: Style, ground: Style) -> Style:
    """A style that shows a blank of this ground, and keeps what makes no difference there."""
    return before._replace(attributes=before.attributes & UNSEEN, background=ground.background)


@lru_cache(4096)
def _switch(before: Style, after: Style) -> str:
    """The sequence that makes one style of another."""
    if after == PLAIN:
        return RESET
    ends = {END[code] for code in before.attributes - after.attributes}
    kept = {code for code in before.attributes & after.attributes if END[code] not in ends}
    codes = [*sorted(ends), *sorted(after.attributes - kept)]
    if after.foreground != before.foreground:
        codes.append(after.foreground or "39")
    if after.background != before.background:
        codes.append(after.background or "49")
    return f"\x1b[{';'.join(codes)}m"
