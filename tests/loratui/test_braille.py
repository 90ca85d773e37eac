"""A line plot of braille cells: pure, bounded by its ranges, and never surprised by its numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.terminal.braille import extent, plot


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """The lit dots as (column, row), row 0 at the bottom."""
    bits = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))
    return {
        (2 * x + column, 4 * (len(lines) - 1 - y) + row)
        for y, line in enumerate(lines)
        for x, cell in enumerate(line)
        for row, pair in enumerate(bits)
        for column, bit in enumerate(pair)
        if (ord(cell) - 0x2800) & bit
    }


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    assert dots(plot([(0, 0), (3, 3)], width=2, height=1)) == {(0, 0), (1, 1), (2, 2), (3, 3)}


def test_points_that_are_not_joined_are_single_dots() -> None:
    assert dots(plot([(0, 0), (3, 3)], width=2, height=1, pattern="dots")) == {(0, 0), (3, 3)}


def test_a_mark_is_a_dotted_vertical_line_at_its_place() -> None:
    lit = dots(plot([], width=10, height=3, x_range=(0, 100), marks=[100]))
    assert {column for column, _ in lit} == {19}
    assert len(lit) == 6


def test_a_value_that_is_not_finite_leaves_a_gap() -> None:
    assert dots(plot([(0, 0), (1, math.nan), (3, 3)], width=2, height=1)) == {(0, 0), (3, 3)}


def test_two_series_share_ranges() -> None:
    low = plot([(0, 0), (9, 0)], width=5, height=2, x_range=(0, 9), y_range=(0, 10))
    assert dots(low) == {(column, 0) for column in range(10)}


def test_the_largest_numbers_are_told_apart() -> None:
    assert dots(plot([(-1.7e308, -1.7e308), (1.7e308, 1.7e308)], width=2, height=1, pattern="dots")) == {(0, 0), (3, 3)}


@pytest.mark.parametrize("values", [[], [math.nan], [5.0], [0.0, 0.0], [-3.0, -3.0], [-1.7e308], [1.7e308]])
def test_an_extent_is_never_empty(values: list[float]) -> None:
    low, high = extent(values)
    assert -math.inf < low < high < math.inf


@given(
    st.lists(st.tuples(st.floats(), st.floats()), max_size=30),
    st.integers(0, 20),
    st.integers(0, 6),
    st.booleans(),
)
def test_any_numbers_fill_the_asked_cells_with_braille(
    series: list[tuple[float, float]], width: int, height: int, joined: bool
) -> None:
    lines = plot(series, width, height, pattern="line" if joined else "dots")
    assert [len(line) for line in lines] == ([width] * height if width else [])
    assert all(0x2800 <= ord(cell) <= 0x28FF for line in lines for cell in line)
