"""How often tags and words stand in captions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.frequencies import Frequency, Unit, frequencies, parts_of


def test_a_tag_counts_once_for_each_caption_that_has_it() -> None:
    captions = ["TOK, red coat, red coat", "TOK,  night ", "", "red coat"]
    assert frequencies(captions, "tag") == (
        Frequency("red coat", 2),
        Frequency("TOK", 2),
        Frequency("night", 1),
    )


def test_words_are_told_apart_from_signs_and_by_case() -> None:
    assert parts_of("It's a TOK half-length photo, tok.", "word") == ["It's", "a", "TOK", "half-length", "photo", "tok"]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text(max_size=30)), st.sampled_from(["tag", "word"]))
def test_the_most_frequent_come_first_and_none_is_in_more_captions_than_there_are(
    captions: list[str], unit: Unit
) -> None:
    counts = [each.captions for each in frequencies(captions, unit)]
    assert counts == sorted(counts, reverse=True)
    assert all(1 <= count <= len(captions) for count in counts)
