"""Curves of a run stay small however long it is, and no peak of the loss is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.curves import MOST_GROUPS, MOST_POINTS, SMOOTHINGS, Curve, Curves
from engine.events import Started
from tests.run_events import step


def curve_of(values: list[float]) -> Curve:
    curve = Curve()
    for number, value in enumerate(values, start=1):
        curve.add(number, value)
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


def test_a_running_mean_follows_within_about_its_steps() -> None:
    curves = Curves()
    for number in range(1, 1001):
        curves.take(step(number, loss=1.0 if number <= 500 else 0.0))
    means = {steps: dict(curves.losses.mean(steps).curve.points) for steps in SMOOTHINGS}
    assert [mean[500] for mean in means.values()] == [1.0] * len(SMOOTHINGS)
    left = [means[steps][500 + steps] for steps in SMOOTHINGS]
    assert all(0.3 < share < 0.4 for share in left), "after as many steps a mean has come about two thirds of the way"


def test_each_quantity_has_its_curve_and_all_go_back_at_a_resume() -> None:
    curves = Curves()
    for number in range(1, 11):
        curves.take(step(number, prior_loss=0.5, grad_norm=number, lr={"unet": 1.0, "text": 0.5}, effective_lr=1e-5))
    curves.take(Started(name="cat", pid=1, step=7, total_steps=10, pivot_step=None, photos=4, device="CPU"))
    drawn = {
        "loss": curves.losses,
        "prior loss": curves.prior_losses,
        "mean prior loss": curves.prior_losses.mean().curve,
        "gradient norm": curves.grad_norms,
        "effective rate": curves.effective_lrs,
        "UNet": curves.lrs["unet"],
        "text": curves.lrs["text"],
    }
    for name, curve in drawn.items():
        assert [number for number, _ in curve.points] == [1, 2, 3, 4, 5, 6, 7], name
    assert curves.grad_norms.points[-1] == (7, 7)
    assert curves.lrs["text"].points[-1] == (7, 0.5)


def test_a_run_without_prior_preservation_has_no_curve_of_it() -> None:
    curves = Curves()
    curves.take(step(1, prior_loss=None))
    assert curves.prior_losses.points == []


def test_made_up_groups_take_no_room() -> None:
    curves = Curves()
    curves.take(step(1, lr={f"group {number}": 1.0 for number in range(100)}))
    assert len(curves.lrs) == MOST_GROUPS
