"""What the terminal shows already, and is not sent again: Textual draws a whole widget for one changed line."""

import re
from dataclasses import dataclass, field

from rich.cells import cell_len

MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
STYLE = re.compile(r"\x1b\[[\d;:]*m")
HARMLESS = re.compile(r"\x1b\[\?(?:2026|25)[hl]")
"""Begins and ends of a frame, and the cursor's visibility: they change no cell."""


@dataclass(frozen=True)
class Piece:
    """Text with its styles, as it was sent to one place.  x: its first cell."""

    x: int
    text: str


@dataclass
class SentCells:
    """Which piece each cell of the terminal shows, by its line."""

    _lines: dict[int, dict[int, Piece]] = field(default_factory=dict)

    def forget(self) -> None:
        """Take the terminal's cells for unknown: it was resized, or something else wrote to it."""
        self._lines.clear()

    def unsent(self, data: str) -> str:
        """What of `data`, a frame of moves and styled text, changes a cell; anything else goes through as it is."""
        if not MOVE.search(data) or "\x1b" in MOVE.sub("", STYLE.sub("", HARMLESS.sub("", data))):
            if "\x1b" in STYLE.sub("", HARMLESS.sub("", data)):
                self.forget()
            return data
        head, *rest = MOVE.split(data)
        places = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        return head + "".join(self._news(int(y), int(x), text) for y, x, text in places)

    def _news(self, y: int, x: int, text: str) -> str:
        text = text.rstrip("\n")  # Textual's end of a line, before it moves to the next
        width = cell_len(STYLE.sub("", HARMLESS.sub("", text)))
        piece, line = Piece(x, text), self._lines.setdefault(y, {})
        if width and all(line.get(cell) == piece for cell in range(x, x + width)):
            return ""
        line.update(dict.fromkeys(range(x, x + width), piece))
        return f"\x1b[{y};{x}H{text}"
