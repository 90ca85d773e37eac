"""What the terminal shows already, and is not sent again: Textual draws a whole widget for one changed cell."""

import re
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len

MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
STYLE = re.compile(r"\x1b\[[\d;:]*m")
HARMLESS = re.compile(r"\x1b\[\?(?:2026|25)[hl]")
"""Begins and ends of a frame, and the cursor's visibility: they change no cell."""
TOKEN = re.compile(r"(\x1b\[[\d;:]*m)|([^\x1b]+)")
GROUND = re.compile(r"\x1b\[(?:[123];)*38;(?:2;\d+;\d+;\d+|5;\d+);(48;[\d;]+)m")
"""A style that shows nothing but its background in a blank: no line under it, not reversed."""
RESET = "\x1b[0m"
GAP = 8
"""So many equal cells between two changed ones cost less than saying where the second one is."""

Cell = tuple[str, str]
"""The sequence of its style, and its character; "" in the second cell of a wide one."""


class SentCells:
    """The terminal's cells, as far as they are known, and what of a frame would change them."""

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, Cell]] = {}

    def forget(self) -> None:
        """Take the terminal's cells for unknown: it was resized, or something else wrote to it."""
        self._lines.clear()

    def unsent(self, data: str) -> str:
        """What of `data`, a frame of moves and styled text, changes a cell; anything else goes through as it is."""
        rest = STYLE.sub("", HARMLESS.sub("", data))
        if not MOVE.search(rest):
            if "\x1b" in rest:
                self.forget()
            return data
        if "\x1b" in MOVE.sub("", rest):
            self.forget()
            return data
        modes = "".join(HARMLESS.findall(data))
        head, *parts = MOVE.split(HARMLESS.sub("", data))
        places = [(int(y), int(x), text.rstrip("\n")) for y, x, text in zip(*[iter(parts)] * 3, strict=True)]
        news = "".join(self._news(y, x, text) for y, x, text in places)
        y, x, text = places[-1]
        return modes + head + news + ("" if text else f"\x1b[{y};{x}H")  # where the cursor is left

    def _news(self, y: int, x: int, text: str) -> str:
        line = self._lines.setdefault(y, {})
        if not _is_plain(text):
            for cell in range(x - 1, x + cell_len(STYLE.sub("", text)) + 1):
                line.pop(cell, None)
            return f"\x1b[{y};{x}H{text}" if text else ""
        cells = list(_cells(text))
        changed = [at for at, cell in enumerate(cells) if line.get(x + at) != cell]
        sent = []
        for first, last in _runs(changed):
            while first and not cells[first][1]:
                first -= 1
            while last + 1 < len(cells) and not cells[last + 1][1]:
                last += 1
            self._note(line, x + first, cells[first : last + 1])
            sent.append(f"\x1b[{y};{x + first}H{_styled(cells[first : last + 1])}")
        return "".join(sent)

    @staticmethod
    def _note(line: dict[int, Cell], x: int, cells: list[Cell]) -> None:
        """The cells are sent; half a wide character beside them is wiped by that."""
        end = x + len(cells)
        if line.get(x, ("", " "))[1] == "":
            line.pop(x - 1, None)
        if line.get(end, ("", " "))[1] == "":
            line.pop(end)
        line.update(zip(range(x, end), cells, strict=True))


def _is_plain(text: str) -> bool:
    """Whether each character has cells of its own: no accents, no joined emoji, on which terminals disagree."""
    return text.isascii() or all(character.isascii() or cell_len(character) for character in STYLE.sub("", text))


def _cells(text: str) -> Iterator[Cell]:
    style = ""
    for switch, characters in TOKEN.findall(text):
        if switch:
            style = "" if switch == RESET else switch
        for character in characters:
            yield (_ground(style) if character == " " else style), character
            if not character.isascii() and cell_len(character) == 2:
                yield style, ""


@lru_cache(4096)
def _ground(style: str) -> str:
    """The style that a blank has by this one: what is in the colour of the text does not show."""
    found = GROUND.fullmatch(style)
    return f"\x1b[{found[1]}m" if found else style


def _runs(changed: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of the changed cells that are sent together."""
    start = end = None
    for at in changed:
        if start is None or end is None:
            start = at
        elif at - end > GAP:
            yield start, end
            start = at
        end = at
    if start is not None and end is not None:
        yield start, end


def _styled(cells: list[Cell]) -> str:
    """The text of cells, with a style's sequence where it begins."""
    parts: list[str] = []
    before = ""
    for style, character in cells:
        if character == " " and _ground(before) == style:
            style = before
        if style != before:
            parts.append((RESET if before else "") + style)
        parts.append(character)
        before = style
    return "".join(parts) + (RESET if before else "")
