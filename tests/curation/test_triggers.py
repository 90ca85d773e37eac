"""Trigger words are found as whole words, in their own case."""

from hypothesis import given
from hypothesis import strategies as st

from curation.triggers import trigger_pattern


def test_a_trigger_word_is_not_found_within_another() -> None:
    assert trigger_pattern(["TOK"]).findall("TOK, TOKYO, a TOK's hat, tok, sTOK") == ["TOK", "TOK"]


def test_the_longer_of_two_trigger_words_wins() -> None:
    assert trigger_pattern(["TOK", "TOK dog"]).findall("a TOK dog and a TOK") == ["TOK dog", "TOK"]


@given(st.text())
def test_no_words_match_nothing(text: str) -> None:
    assert trigger_pattern([]).search(text) is None and trigger_pattern([""]).search(text) is None


@given(st.text(min_size=1), st.text(), st.text())
def test_a_word_between_spaces_is_always_found(word: str, before: str, after: str) -> None:
    assert trigger_pattern([word]).search(f"{before} {word} {after}") is not None
