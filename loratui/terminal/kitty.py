"""Kitty's graphics protocol: a picture is sent once, and drawn wherever its placeholder characters stand.

https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image  # 30 ms, which the question to the terminal does not wait for

CHUNK = 4096
"""Characters of base64 in one command, by the protocol."""
COLOURS = 256
"""A palette makes a photo's PNG a third as long, and is not seen at this size."""
QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
ANSWER = b"\x1b_Gi=31;OK\x1b\\"

PLACEHOLDER = "\U0010eeee"
_DIACRITICS = (
    "0305 030D 030E 0310 0312 033D-033F 0346 034A-034C 0350-0352 0357 035B 0363-036F 0483-0487 0592-0595 0597-0599 "
    "059C-05A1 05A8 05A9 05AB 05AC 05AF 05C4 0610-0617 0657-065B 065D 065E 06D6-06DC 06DF-06E2 06E4 06E7 06E8 06EB "
    "06EC 0730 0732 0733 0735 0736 073A 073D 073F-0741 0743 0745 0747 0749 074A 07EB-07F1 07F3 0816-0819 081B-0823 "
    "0825-0827 0829-082D 0951 0953 0954 0F82 0F83 0F86 0F87 135D-135F 17DD 193A 1A17 1A75-1A7C 1B6B 1B6D-1B73 "
    "1CD0-1CD2 1CDA 1CDB 1CE0 1DC0 1DC1 1DC3-1DC9 1DCB 1DCC 1DD1-1DE6 1DFE 20D0 20D1 20D4-20D7 20DB 20DC 20E1 20E7 "
    "20E9 20F0 2CEF-2CF1 2DE0-2DFF"
)


def _characters(ranges: str) -> str:
    ends = [part.split("-") for part in ranges.split()]
    return "".join(chr(code) for end in ends for code in range(int(end[0], 16), int(end[-1], 16) + 1))


DIACRITICS = _characters(_DIACRITICS)
"""The combining characters that number rows and columns, from 0 (kitty's rowcolumn-diacritics.txt)."""
MOST_CELLS = len(DIACRITICS)
"""Rows, or columns, that a picture can have."""


def transmit(image: Image.Image, number: int, columns: int, rows: int) -> str:
    """The commands that hand the terminal a picture, to be drawn over so many cells of placeholders."""
    png = io.BytesIO()
    image.quantize(COLOURS).save(png, "PNG")
    data = base64.b64encode(png.getvalue()).decode("ascii")
    chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    first = f"a=T,U=1,q=2,f=100,i={number},c={columns},r={rows},"
    return "".join(
        f"\x1b_G{first if at == 0 else 'q=2,'}m={int(at < len(chunks) - 1)};{chunk}\x1b\\"
        for at, chunk in enumerate(chunks)
    )


def delete(number: int) -> str:
    """The command that has the terminal forget a picture."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"


def placeholders(columns: int, rows: int) -> list[str]:
    """The lines of text in whose place the picture appears; their colour, as 24 bits, is the picture's number."""
    return ["".join(PLACEHOLDER + DIACRITICS[row] + DIACRITICS[at] for at in range(columns)) for row in range(rows)]
