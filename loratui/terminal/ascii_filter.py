"""The last look at what goes to a terminal that shows ASCII alone: lines and signs of any widget become ASCII ones."""

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

# ruff: noqa: RUF001 - look-alikes are what this is about
LOOKALIKES = {
    "-": "─━╌╍┄┅┈┉╴╶╸╺▁▔‾–—",
    "=": "═",
    "|": "│┃║▏▎▍▌▋▊▉▐▕╎╏┆┇┊┋╵╷╹╻",
    "+": "╭╮╯╰┌┐└┘├┤┬┴┼┏┓┗┛┣┫┳┻╋╔╗╚╝╠╣╦╩╬✓✔",
    "X": "✗✘",
    ".": "·",
    "#": "█▇▆▅▄▓●■",
    " ": "▃▂▀░\u2800\u00a0",
    ":": "▒",
    "*": "▶•○◉★",
    ">": "→›»❯",
    "<": "←‹«⏎",
    "^": "↑▲",
    "v": "↓▼",
    "~": "…",
    "x": "×",
    "'": "‘’",
    '"': "“”",
}
TABLE = str.maketrans({sign: ascii for ascii, signs in LOOKALIKES.items() for sign in signs})


class AsciiFilter(LineFilter):
    """Replaces every character beyond ASCII, in as many cells as it had."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [segment if segment.text.isascii() else _ascii(segment) for segment in segments]


def _ascii(segment: Segment) -> Segment:
    return Segment(in_ascii(segment.text), segment.style, segment.control)


@lru_cache(4096)
def in_ascii(text: str) -> str:
    """The text in ASCII, as wide as it was: a look-alike where there is one, `?` where there is none."""
    known = text.translate(TABLE)
    if known.isascii():
        return known
    if cell_len(known) == len(known):
        return "".join(character if character.isascii() else "?" for character in known)
    return "".join(character if character.isascii() else "?" * cell_len(character) for character in known).ljust(
        cell_len(text), "?"
    )[: cell_len(text)]
