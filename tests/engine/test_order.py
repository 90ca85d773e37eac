"""The endless order: every example as often as every other, and one shape to a micro-batch."""

from collections import Counter
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from engine.data.order import Order

GROUPS = st.lists(st.integers(1, 7), min_size=1, max_size=4)


def order_of(counts: list[int], repeats: int = 1, batch_size: int = 1, seed: int = 0) -> tuple[Order, list[list[int]]]:
    ends = [sum(counts[: group + 1]) for group in range(len(counts))]
    groups = [list(range(end - count, end)) for count, end in zip(counts, ends, strict=True)]
    return Order(groups, repeats, batch_size, seed, "photo"), groups


@given(GROUPS, st.integers(1, 3), st.integers(0, 99))
def test_in_an_epoch_each_example_stands_as_often_as_it_is_repeated(counts: list[int], repeats: int, seed: int) -> None:
    order, groups = order_of(counts, repeats, seed=seed)
    assert order.length == repeats * sum(counts)
    for epoch in range(2):
        seen = Counter(order.index(epoch * order.length + place) for place in range(order.length))
        assert seen == dict.fromkeys(chain(*groups), repeats)


@given(GROUPS, st.integers(1, 3), st.integers(1, 5))
def test_a_micro_batch_is_of_one_group_and_no_example_is_seen_more_than_another(
    counts: list[int], repeats: int, batch_size: int
) -> None:
    order, groups = order_of(counts, repeats, batch_size)
    for round_of_epochs in range(2):
        start = round_of_epochs * order.length * batch_size
        seen = [order.index(start + place) for place in range(order.length * batch_size)]
        assert Counter(seen) == dict.fromkeys(chain(*groups), repeats * batch_size)
        for first in range(0, len(seen), batch_size):
            assert sum(bool(set(seen[first : first + batch_size]) & set(group)) for group in groups) == 1


@given(GROUPS, st.integers(1, 3), st.integers(2, 5))
def test_a_group_is_seen_whole_before_any_of_it_is_seen_again(counts: list[int], repeats: int, batch_size: int) -> None:
    order, groups = order_of(counts, repeats, batch_size)
    seen = [order.index(position) for position in range(order.length * batch_size)]
    for group in groups:
        of_group, epoch = [index for index in seen if index in group], len(group) * repeats
        for first in range(0, len(of_group), epoch):
            assert Counter(of_group[first : first + epoch]) == dict.fromkeys(group, repeats)


def test_epochs_and_seeds_are_shuffled_differently_and_repeats_before_shuffling() -> None:
    order, _ = order_of([8], repeats=2)
    first, second = ([order.index(epoch * 16 + place) for place in range(16)] for epoch in range(2))
    assert first != second
    assert first != [order_of([8], repeats=2, seed=1)[0].index(place) for place in range(16)]
    assert set(first[:8]) != set(range(8)), "repeated, then shuffled: not one pass after another"


def test_with_one_shape_the_batch_size_changes_no_order() -> None:
    alone, batched = order_of([5], 2, batch_size=1)[0], order_of([5], 2, batch_size=4)[0]
    assert [alone.index(place) for place in range(100)] == [batched.index(place) for place in range(100)]


def test_shapes_are_mixed_within_an_epoch() -> None:
    order, groups = order_of([12, 12], batch_size=2)
    shapes = [order.index(position) in groups[0] for position in range(0, 24, 2)]
    assert shapes not in (sorted(shapes), sorted(shapes, reverse=True))
