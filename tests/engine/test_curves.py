"""Curves of a run stay small however long it is, and no peak of the loss is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.curves import MOST_POINTS, Curve


def curve_of(values: list[float]) -> Curve:
    curve = Curve()
    for step, value in enumerate(values, start=1):
        curve.add(step, value)
    return curve


@given(st.lists(st.floats(0, 1), max_size=200))
def test_a_short_run_is_drawn_as_it_was(values: list[float]) -> None:
    assert curve_of(values).points == list(enumerate(values, start=1))


@settings(deadline=None)
@given(st.integers(MOST_POINTS, 10 * MOST_POINTS), st.integers(1, MOST_POINTS), st.integers(1, MOST_POINTS))
def test_of_a_long_run_peaks_and_ends_stay(length: int, peak: int, valley: int) -> None:
    values = [0.5] * length
    values[valley - 1], values[peak - 1] = 0.0, 1.0
    points = curve_of(values).points
    steps = [step for step, _ in points]
    assert len(points) <= MOST_POINTS
    assert steps == sorted(set(steps))
    assert (peak, 1.0) in points and (peak == valley or (valley, 0.0) in points)
    stretch = 4 * length / MOST_POINTS
    assert steps[0] <= stretch and length - steps[-1] <= stretch


def test_what_came_after_a_checkpoint_is_forgotten_and_drawn_anew() -> None:
    curve = curve_of([1.0] * 10)
    curve.cut(7)
    curve.add(8, 0.5)
    assert curve.points == [*((step, 1.0) for step in range(1, 8)), (8, 0.5)]
