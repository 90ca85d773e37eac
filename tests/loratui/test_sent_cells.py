"""Cells that show what they should are not sent again, and the screen is the same as if they were."""

import re
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from loratui.terminal.sent import SentCells

WIDTH, HEIGHT = 12, 3
RED, PLAIN = "\x1b[31m", "\x1b[0m"
GREY, BLACK = "38;2;200;200;200", "48;2;0;0;0"


def at(x: int, y: int, text: str) -> str:
    return f"\x1b[{y};{x}H{text}"


class Look(NamedTuple):
    """How a terminal draws a character."""

    bold: bool = False
    dim: bool = False
    underlined: bool = False
    reversed: bool = False
    colour: str = "default"
    ground: str = "default"

    def then(self, codes: str) -> "Look":
        """After a sequence with these codes."""
        if codes in {"", "0"}:
            return Look()
        look = self
        for code in re.findall(r"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+", codes):
            look = look._replace(**LOOKS.get(code, {"colour" if code[0] in "39" else "ground": code}))
        return look

    def seen(self, character: str) -> object:
        """What an eye can tell: of a blank its ground, and a line under it."""
        colour, ground = (self.ground, self.colour) if self.reversed else (self.colour, self.ground)
        if character == " ":
            return ground.removeprefix("38;").removeprefix("48;"), self.underlined and colour
        return character, self


LOOKS = {
    "1": {"bold": True},
    "2": {"dim": True},
    "4": {"underlined": True},
    "7": {"reversed": True},
    "22": {"bold": False, "dim": False},
    "24": {"underlined": False},
    "27": {"reversed": False},
    "39": {"colour": "default"},
    "49": {"ground": "default"},
}


def screen(data: str) -> dict[tuple[int, int], object]:
    """What a terminal shows in each cell; a wide character that is half drawn over leaves a blank."""
    cells: dict[tuple[int, int], object] = {}
    x, y, look = 1, 1, Look()
    for place, forward, codes, character in re.findall(
        r"\x1b\[(\d+;\d+)H|\x1b\[(\d+)C|\x1b\[([\d;]*)m|([^\x1b\n])", data
    ):
        if place:
            y, x = map(int, place.split(";"))
        elif forward:
            x += int(forward)
        elif character:
            width = 2 if character == "猫" else 1
            if cells.get((x, y)) == "half":
                cells[x - 1, y] = "blank"
            if cells.get((x + width, y)) == "half":
                cells[x + width, y] = "blank"
            cells[x, y] = look.seen(character)
            if width == 2:
                cells[x + 1, y] = "half"
            x += width
        else:
            look = look.then(codes)
    return cells


looks = ["31", "44", "7", f"1;{GREY};{BLACK}", f"1;2;{GREY}", f"2;4;31;{BLACK}", f"4;{GREY};44", f"7;{GREY};{BLACK}"]
styled = st.builds(
    lambda text, look: f"\x1b[{look}m{text}{PLAIN}" if look else text,
    st.text("ab 猫", min_size=1, max_size=5),
    st.sampled_from(["", *looks, f"38;5;200;{BLACK}"]),
)
pieces = st.builds(
    lambda x, y, texts: at(x, y, "".join(texts)),
    st.integers(1, WIDTH),
    st.integers(1, HEIGHT),
    st.lists(styled, min_size=1, max_size=3),
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
    assert cells.unsent(at(1, 1, "x..x" + "." * 20 + "x" + "." * 15)) == at(1, 1, "x..x\x1b[20Cx")


def test_blanks_are_equal_whatever_the_colour_of_the_text_that_is_not_there() -> None:
    cells, ground = SentCells(), "48;2;0;0;9m"
    cells.unsent(at(1, 1, f"\x1b[38;2;1;2;3;{ground}a b \x1b[0m"))
    assert cells.unsent(at(1, 1, f"\x1b[38;2;1;2;3;{ground}a b\x1b[0m\x1b[{ground} \x1b[0m")) == ""
    assert cells.unsent(at(4, 1, f"\x1b[4;38;2;1;2;3;{ground} \x1b[0m")) != ""  # underlined
    words = at(1, 1, f"\x1b[38;2;9;9;9;{ground}one two \x1b[0m")
    assert cells.unsent(words) == words


def test_of_a_style_only_what_differs_from_the_one_before_is_sent() -> None:
    cells = SentCells()
    line = f"\x1b[1;{GREY};{BLACK}ma{PLAIN}\x1b[{GREY};{BLACK}mb{PLAIN}\x1b[31;{BLACK}mc {PLAIN}"
    assert cells.unsent(at(1, 1, line)) == at(1, 1, f"\x1b[1;{GREY};{BLACK}ma\x1b[22mb\x1b[31mc {PLAIN}")
    other = at(3, 1, f"{RED}c{PLAIN}") + at(1, 2, f"{RED}d{PLAIN}")
    assert cells.unsent(other) == at(3, 1, f"{RED}c") + at(1, 2, f"d{PLAIN}")


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
