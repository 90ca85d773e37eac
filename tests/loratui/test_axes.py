"""The axes of plots: round numbers, few, and all values within them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.axes import axis_of, steps_between

numbers = st.lists(st.floats(-1e300, 1e300), max_size=20)


@given(numbers, st.integers(2, 12))
def test_every_value_lies_within_the_axis(values: list[float], most_ticks: int) -> None:
    axis = axis_of(values, most_ticks)
    low, high = axis.limits
    assert low < high
    slack = 1e-9 * (high - low)
    assert all(low - slack <= value <= high + slack for value in values)
    assert len(axis.ticks) <= most_ticks + 3


@given(st.lists(st.floats(0, 1e300), max_size=20), st.integers(2, 12))
def test_every_positive_value_lies_within_a_logarithmic_axis(values: list[float], most_ticks: int) -> None:
    axis = axis_of(values, most_ticks, log=True)
    low, high = axis.limits
    assert low < high
    places = [axis.at(value) for value in values]
    assert all(math.isnan(at) or low - 1e-6 <= at <= high + 1e-6 for at in places)
    assert len(axis.ticks) <= max(most_ticks, 3) + 1


@pytest.mark.parametrize(
    ("values", "limits", "ticks"),
    [
        ([0.012, 0.29], (0.0, 0.3), (0.0, 0.1, 0.2, 0.3)),
        ([3e-6, 2.1e-5], (0.0, 3e-5), (0.0, 1e-5, 2e-5, 3e-5)),
        ([], (0.0, 1.0), (0.0, 0.5, 1.0)),
    ],
)
def test_numbers_are_round(values: list[float], limits: tuple[float, float], ticks: tuple[float, ...]) -> None:
    axis = axis_of(values, 4)
    assert axis.limits == pytest.approx(limits)
    assert axis.ticks == pytest.approx(ticks)


def test_a_logarithmic_axis_begins_and_ends_at_one_two_or_five() -> None:
    axis = axis_of([0.03, 0.4], 9, log=True)
    assert axis.ticks == pytest.approx((0.02, 0.05, 0.1, 0.2, 0.5))
    assert axis.at(0.1) == -1 and math.isnan(axis.at(0.0)) and math.isnan(axis.at(-1.0))


def test_a_small_change_of_the_values_leaves_the_axis_as_it_is() -> None:
    assert axis_of([0.012, 0.29], 4) == axis_of([0.013, 0.28], 4)


def test_steps_are_whole_and_round() -> None:
    assert steps_between((0, 2000), 4) == [0, 500, 1000, 1500, 2000]
    assert steps_between((750, 1250), 3) == [800, 1000, 1200]
    assert steps_between((0, 1), 5) == [0, 1]
