"""Cells that show what they should are not sent again, and the screen is the same as if they were."""

import re

from hypothesis import given
from hypothesis import strategies as st

from loratui.terminal.sent import MOVE, STYLE, SentCells

WIDTH, HEIGHT = 12, 3
RED, PLAIN = "\x1b[31m", "\x1b[0m"


def at(x: int, y: int, text: str) -> str:
    return f"\x1b[{y};{x}H{text}"


def screen(data: str) -> dict[tuple[int, int], str]:
    """What a terminal shows: each cell's style and character; a wide one that is half drawn over leaves a blank."""
    cells: dict[tuple[int, int], str] = {}
    x, y, style = 1, 1, PLAIN
    for part in re.findall(r"\x1b\[[\d;]*[Hm]|[^\x1b]", data):
        if move := MOVE.fullmatch(part):
            y, x = int(move[1]), int(move[2])
        elif STYLE.fullmatch(part):
            style = part
        elif part != "\n":
            width = 2 if part == "猫" else 1
            if cells.get((x, y)) == "half":
                cells[x - 1, y] = "blank"
            if cells.get((x + width, y)) == "half":
                cells[x + width, y] = "blank"
            cells[x, y] = style + part
            if width == 2:
                cells[x + 1, y] = "half"
            x += width
    return cells


pieces = st.builds(
    lambda x, y, text, style: at(x, y, f"{style}{text}{PLAIN}"),
    st.integers(1, WIDTH),
    st.integers(1, HEIGHT),
    st.text("ab猫", min_size=1, max_size=5),
    st.sampled_from([RED, "\x1b[1;38;2;1;2;3m"]),
)
frames = st.lists(pieces, min_size=1, max_size=6).map("\n".join)


@given(st.lists(frames, max_size=6))
def test_any_frames_leave_the_same_screen(drawn: list[str]) -> None:
    cells = SentCells()
    sent = "".join(cells.unsent(frame) for frame in drawn)
    assert screen(sent) == screen("".join(drawn))


def test_what_stands_there_is_not_sent_again_and_what_was_drawn_over_is() -> None:
    cells = SentCells()
    line = at(1, 1, f"{RED}abcdef{PLAIN}")
    assert cells.unsent(line) == line
    assert cells.unsent(line) == ""
    over = at(3, 1, f"{RED}X{PLAIN}")
    assert cells.unsent(over) == over
    assert cells.unsent(line) == at(3, 1, f"{RED}c{PLAIN}")
    assert cells.unsent(at(1, 1, "ab")) == at(1, 1, "ab")  # the same characters in another style


def test_a_few_equal_cells_between_changed_ones_are_sent_with_them() -> None:
    cells = SentCells()
    cells.unsent(at(1, 1, "." * 40))
    assert cells.unsent(at(1, 1, "x..x" + "." * 20 + "x" + "." * 15)) == at(1, 1, "x..x") + at(25, 1, "x")


def test_blanks_are_equal_whatever_the_colour_of_the_text_that_is_not_there() -> None:
    cells, ground = SentCells(), "48;2;0;0;9m"
    cells.unsent(at(1, 1, f"\x1b[38;2;1;2;3;{ground}a b \x1b[0m"))
    assert cells.unsent(at(1, 1, f"\x1b[38;2;1;2;3;{ground}a b\x1b[0m\x1b[{ground} \x1b[0m")) == ""
    assert cells.unsent(at(4, 1, f"\x1b[4;38;2;1;2;3;{ground} \x1b[0m")) != ""  # underlined
    words = at(1, 1, f"\x1b[38;2;9;9;9;{ground}one two \x1b[0m")
    assert cells.unsent(words) == words


def test_joined_emoji_are_always_sent_whole() -> None:
    cells, family = SentCells(), at(1, 1, "a👩‍👩‍👧b")
    assert cells.unsent(family) == family
    assert cells.unsent(family) == family


def test_wide_characters_cover_two_cells() -> None:
    cells = SentCells()
    wide, after = at(1, 1, "猫"), at(2, 1, "x")
    cells.unsent(wide)
    assert cells.unsent(after) == after
    assert cells.unsent(wide) == wide


def test_the_cursors_place_is_always_sent() -> None:
    cells = SentCells()
    assert cells.unsent(at(5, 2, "")) == at(5, 2, "")
    assert cells.unsent(at(5, 2, "")) == at(5, 2, "")


def test_after_anything_else_that_may_change_cells_all_is_sent() -> None:
    line = at(1, 1, "abc")
    for other in ("\x1b[2J", "\x1b[?1049h", "\x1b7" + at(1, 1, "\x1bPq~\x1b\\"), "\x1b_Ga=d\x1b\\"):
        cells = SentCells()
        cells.unsent(line)
        assert cells.unsent(other) == other
        assert cells.unsent(line) == line
    cells = SentCells()
    cells.unsent(line)
    assert cells.unsent("\x1b[?2026h") == "\x1b[?2026h"
    assert cells.unsent(line) == ""
