"""Text from outside is shown, not obeyed."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from curation.text import visible


def test_control_and_direction_characters_are_spelled_out() -> None:
    assert visible("a\x1b[31m\n\u202eb\x9b") == r"a\x1b[31m\n\u202eb\x9b"


def test_letters_emoji_and_markup_stay_as_they_are() -> None:
    assert visible("[bold]é 漢 👩‍🚀 \\n") == "[bold]é 漢 👩‍🚀 \\n"


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    assert not [c for c in visible(text) if unicodedata.category(c) in {"Cc", "Cs"}]
