"""Captions on one occasion: dropped as often as asked, tags shuffled but never lost, the first ones kept in place."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from curation.captions import tags_of
from curation.triggers import trigger_pattern
from engine.chance import generator
from engine.data.captions import drawn_caption, shuffle_tags
from engine.settings import DataSection

CAPTIONS = st.text(st.sampled_from("abTOK ,<>'é\n"), max_size=60)
TAGS = "TOK, red hair, smiling, beach, sunset"


@given(CAPTIONS, st.integers(0, 8), st.integers(0, 999))
def test_shuffling_keeps_every_tag_and_the_first_ones_in_place(caption: str, keep_tokens: int, position: int) -> None:
    shuffled = shuffle_tags(caption, keep_tokens, generator(0, "shuffle", position))
    assert Counter(tags_of(shuffled)) == Counter(tags_of(caption))
    assert tags_of(shuffled)[:keep_tokens] == tags_of(caption)[:keep_tokens]


@given(st.lists(st.sampled_from(["TOK", "a photo of TOK", "dog", "TOKYO", "tok"]), max_size=6), st.integers(0, 99))
def test_the_trigger_word_stands_as_often_as_before(tags: list[str], position: int) -> None:
    shuffled = shuffle_tags(", ".join(tags), 0, generator(0, "shuffle", position))
    trigger = trigger_pattern(["TOK"])
    assert len(trigger.findall(shuffled)) == len(trigger.findall(", ".join(tags)))


@given(st.sampled_from(["a photo of TOK", "TOK,dog ,  ", "", " , ", "TOK , asleep"]), st.integers(1, 5))
def test_a_caption_with_nothing_to_shuffle_stays_as_it_was_written(caption: str, keep_tokens: int) -> None:
    assert shuffle_tags(caption, keep_tokens, generator(0, "shuffle", 0)) == caption


def test_every_order_of_the_tags_comes_up() -> None:
    orders = {shuffle_tags("TOK, a, b, c", 1, generator(0, "shuffle", position)) for position in range(200)}
    assert len(orders) == 6
    assert all(caption.startswith("TOK, ") for caption in orders)


def test_the_share_that_is_asked_for_is_dropped() -> None:
    data = DataSection(caption_dropout_rate=0.2)
    drawn = [drawn_caption(TAGS, data, 0, "photo", position) for position in range(1000)]
    assert set(drawn) == {"", TAGS}
    assert 150 < drawn.count("") < 250  # 4 standard deviations around 200


def test_all_or_nothing_is_dropped_at_the_ends() -> None:
    for rate, expected in ((0.0, {TAGS}), (1.0, {""})):
        data = DataSection(caption_dropout_rate=rate)
        assert {drawn_caption(TAGS, data, 0, "photo", position) for position in range(300)} == expected


def test_a_draw_is_a_function_of_seed_purpose_and_position() -> None:
    data = DataSection(caption_dropout_rate=0.5, shuffle_caption=True)
    drawn = [drawn_caption(TAGS, data, 3, "photo", position) for position in range(50)]
    assert drawn == [drawn_caption(TAGS, data, 3, "photo", position) for position in range(50)]
    assert drawn != [drawn_caption(TAGS, data, 4, "photo", position) for position in range(50)]
    assert drawn != [drawn_caption(TAGS, data, 3, "other", position) for position in range(50)]
