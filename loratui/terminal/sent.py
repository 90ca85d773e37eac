"""What the terminal shows already, and is not sent again: Textual draws a whole widget for one changed cell."""

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from loratui.terminal.pen import PLAIN, Cell, Pen, cells_of

MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
STYLE = re.compile(r"\x1b\[[\d;]*m")
HARMLESS = re.compile(r"\x1b\[\?(?:2026|25)[hl]")
"""Begins and ends of a frame, and the cursor's visibility: they change no cell."""
GAP = 4
"""So many equal cells between two changed ones cost no more than a move to the second one."""


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
        pen = Pen()
        for y, x, text in places:
            self._write(pen, y, x, text)
        pen.reset()
        y, x, text = places[-1]
        return modes + head + pen.sent + ("" if text else f"\x1b[{y};{x}H")  # where the cursor is left

    def _write(self, pen: Pen, y: int, x: int, text: str) -> None:
        """Write the news in a piece of a line."""
        line = self._lines.setdefault(y, {})
        if not _is_plain(text):
            for cell in range(x - 1, x + cell_len(STYLE.sub("", text)) + 1):
                line.pop(cell, None)
            if text:
                pen.copy(y, x, text)
            return
        cells = list(cells_of(text))
        changed = [at for at, cell in enumerate(cells) if line.get(x + at) != cell]
        for first, last in _runs(changed):
            while first and not cells[first][1]:
                first -= 1
            while last + 1 < len(cells) and not cells[last + 1][1]:
                last += 1
            self._note(line, x + first, cells[first : last + 1])
            pen.write(y, x + first, cells[first : last + 1])

    @staticmethod
    def _note(line: dict[int, Cell], x: int, cells: Sequence[Cell]) -> None:
        """The cells are sent; half a wide character beside them is wiped by that."""
        end = x + len(cells)
        if line.get(x, (PLAIN, " "))[1] == "":
            line.pop(x - 1, None)
        if line.get(end, (PLAIN, " "))[1] == "":
            line.pop(end)
        line.update(zip(range(x, end), cells, strict=True))


def _is_plain(text: str) -> bool:
    """Whether each character has cells of its own: no accents, no joined emoji, on which terminals disagree."""
    return text.isascii() or all(character.isascii() or cell_len(character) for character in STYLE.sub("", text))


def _runs(changed: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of the changed cells that are sent together."""
    start = end = None
    for at in changed:
        if start is None or end is None:
            start = at
        elif at - end > GAP + 1:
            yield start, end
            start = at
        end = at
    if start is not None and end is not None:
        yield start, end
