"""Lines that change a little: what is sent covers all that differs, and little else."""

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from loratui.widgets.lines import GAP, changed

RED, BLUE = Style(color="red"), Style(color="blue")


def strip(text: str) -> Strip:
    """Capital letters in red, all others in blue."""
    return Strip([Segment(character, RED if character.isupper() else BLUE) for character in text])


@given(st.lists(st.tuples(st.text("aAb ", min_size=40, max_size=40), st.text("aAb ", min_size=40, max_size=40))))
def test_what_is_sent_covers_every_cell_that_differs(pairs: list[tuple[str, str]]) -> None:
    regions = list(changed([strip(old) for old, _ in pairs], [strip(new) for _, new in pairs]))
    covered = {(x, region.y) for region in regions for x in range(region.x, region.right)}
    differing = {(x, y) for y, (old, new) in enumerate(pairs) for x in range(40) if old[x] != new[x]}
    assert differing <= covered
    assert all((region.x, region.y) in differing and (region.right - 1, region.y) in differing for region in regions)


def test_the_same_lines_send_nothing() -> None:
    assert list(changed([strip("abc")], [strip("abc")])) == []


def test_changes_far_from_each_other_are_sent_apart_and_near_ones_together() -> None:
    before = "a" * 40
    apart = "b" + "a" * (GAP + 1) + "b" + "a" * (38 - GAP - 1)
    together = "b" + "a" * (GAP - 1) + "b" + "a" * (38 - GAP + 1)
    assert len(list(changed([strip(before)], [strip(apart)]))) == 2
    assert len(list(changed([strip(before)], [strip(together)]))) == 1


def test_a_changed_wide_character_is_sent_whole() -> None:
    [region] = changed([strip("ab猫c")], [strip("ab犬c")])
    assert (region.x, region.width) == (2, 2)


def test_another_style_is_a_change() -> None:
    [region] = changed([Strip([Segment("abc", RED)])], [Strip([Segment("ab", RED), Segment("c", BLUE)])])
    assert (region.x, region.width) == (2, 1)
