"""Pre-training of the mini model: a function of its seed, whatever kills it and however many processes draw."""

import math
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.mini.pretrain import __main__ as script
from engine.mini.pretrain import loop
from engine.mini.pretrain.autoencoder import train_autoencoder
from engine.mini.pretrain.drawings import CROPPED, OBLONG, SQUARE, Size, counts, drawings, picture
from engine.mini.pretrain.loop import Schedule, train
from engine.mini.pretrain.painter import time_ids, train_painter
from engine.mini.world import held_out, resembles_mascot
from engine.models.files import folder_problem

CPU = torch.device("cpu")
SIZES = (SQUARE, *OBLONG)


class Killed(Exception):
    """Stands for whatever ends the process."""


def few_pictures(count: int = 6) -> dict[Size, np.ndarray]:
    return {size: np.stack([picture(0, size, number).pixels() for number in range(count)]) for size in SIZES}


def small_model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))


def small_loss(model: nn.Module, step: int) -> Tensor:
    return (model(torch.randn(5, 4)) - step % 3).square().mean()


def same(first: nn.Module, second: nn.Module) -> bool:
    """To the bit."""
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def killed_at(step: int, saved_at: int, loss_of: Callable[..., Tensor], patch: pytest.MonkeyPatch):
    """The loss, in a process that dies in this step, and that the clock had bidden to save once, in an earlier one."""

    def loss(model: nn.Module, now: int) -> Tensor:
        patch.setattr(loop, "SAVE_SECONDS", -1 if now == saved_at else math.inf)
        if now == step:
            raise Killed
        return loss_of(model, now)

    return loss


schedules = st.integers(1, 400).flatmap(
    lambda steps: st.builds(
        Schedule,
        st.just(steps),
        st.floats(1e-5, 1),
        st.integers(1, max(1, steps // 2)),
        st.integers(1, (steps + 1) // 2),
    )
)


@given(schedules)
def test_the_rate_rises_stays_and_falls(schedule: Schedule) -> None:
    rates = [schedule.at(step) for step in range(schedule.steps)]
    assert all(0 < rate <= schedule.rate for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    plateau = rates[schedule.warmup - 1 : schedule.steps - schedule.cooldown + 1]
    assert plateau == [schedule.rate] * len(plateau) and plateau
    assert rates[-1] == pytest.approx(schedule.rate / schedule.cooldown)


def test_a_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    schedule = Schedule(12, 0.01, 2, 4)
    first, again, other = (
        train(tmp_path / f"{number}.pt", small_model(), small_loss, schedule, seed)
        for number, seed in enumerate((0, 0, 1))
    )
    assert same(first, again) and not same(first, other)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9), st.integers(0, 2**16), st.data())
def test_what_was_killed_goes_on_to_the_very_same_weights(
    tmp_path_factory: pytest.TempPathFactory, saved_at: int, noise: int, data: st.DataObject
) -> None:
    dies_at = data.draw(st.integers(saved_at + 1, 10))
    folder, schedule = tmp_path_factory.mktemp("work"), Schedule(11, 0.01, 2, 4)
    whole = train(folder / "whole.pt", small_model(), small_loss, schedule, seed=5)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        train(folder / "state.pt", small_model(), killed_at(dies_at, saved_at, small_loss, patch), schedule, seed=5)
    assert torch.load(folder / "state.pt", weights_only=True)["step"] == saved_at + 1
    torch.manual_seed(noise)  # what else happened in the process
    steps: list[int] = []

    def counted(model: nn.Module, step: int) -> Tensor:
        steps.append(step)
        return small_loss(model, step)

    assert same(train(folder / "state.pt", small_model(), counted, schedule, seed=5), whole)
    assert steps == list(range(saved_at + 1, 11))


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    schedule = Schedule(5, 0.01, 1, 2)
    done = train(tmp_path / "state.pt", small_model(), small_loss, schedule, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        again = train(tmp_path / "state.pt", small_model(), killed_at(0, -1, small_loss, patch), schedule, seed=0)
    assert same(done, again)


@settings(deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 10**6))
def test_a_picture_shows_what_pre_training_may_see_in_its_size(size: Size, number: int) -> None:
    one = picture(0, size, number)
    assert one == picture(0, size, number)
    assert not held_out(one.scene)
    assert not any(thing.individual and resembles_mascot(thing.individual) for thing in one.scene.things)
    assert one.pixels().shape == (*size, 3) and one.pixels().dtype == np.uint8
    assert all(at + side <= whole for at, side, whole in zip(one.corner, one.size, one.canvas, strict=True))


def test_some_square_pictures_are_cut_out_of_longer_ones() -> None:
    cut = [picture(0, SQUARE, number).canvas != SQUARE for number in range(1000)]
    assert np.mean(cut) == pytest.approx(CROPPED, abs=0.04)


@given(st.integers(1, 10**6))
def test_there_are_as_many_pictures_as_asked_for_most_of_them_square(pictures: int) -> None:
    found = counts(pictures)
    assert set(found) == set(SIZES) and found[SQUARE] >= 0.8 * pictures
    assert pictures > 10_000 or sum(found.values()) >= pictures
    if pictures > 10_000:
        assert sum(found.values()) == pytest.approx(pictures, rel=0.2)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SIZES), st.integers(0, 1000)), min_size=1, max_size=5), st.integers())
def test_size_conditioning_is_sdxls(chosen: list[tuple[Size, int]], seed: int) -> None:
    """Height and width of the original, which is 1 to 32 times the picture; top and left of the crop; the target."""
    pictures = [picture(0, size, number) for size, number in chosen]
    for one, row in zip(pictures, time_ids(pictures, random.Random(seed)).tolist(), strict=True):
        assert tuple(row[2:4]) == one.corner and tuple(row[4:]) == one.size
        for original, canvas in zip(row[:2], one.canvas, strict=True):
            assert canvas <= original <= 32 * canvas


@pytest.mark.slow
def test_drawings_are_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    alone = drawings(tmp_path / "one", seed=0, pictures=1, processes=1)
    shared = drawings(tmp_path / "three", seed=0, pictures=1, processes=3)
    for size in SIZES:
        assert np.array_equal(alone[size], shared[size])
        assert np.array_equal(alone[size][[0, -1]], [picture(0, size, n).pixels() for n in (0, len(alone[size]) - 1)])


@pytest.mark.slow
def test_the_autoencoder_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    learn = partial(train_autoencoder, pictures=few_pictures(), steps=3, seed=0, device=CPU)
    whole = learn(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.mini.pretrain.autoencoder.train", dying(after=1))
        with pytest.raises(Killed):
            learn(tmp_path / "killed")
    resumed = learn(tmp_path / "killed")
    assert same(whole, resumed)
    assert whole.config["scaling_factor"] == resumed.config["scaling_factor"]


@pytest.mark.slow
def test_the_painter_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    pictures = few_pictures()
    vae = train_autoencoder(tmp_path, pictures, 2, 0, CPU)
    learn = partial(train_painter, vae=vae, pictures=pictures, seed=0, steps=4, device=CPU)
    whole = learn(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.mini.pretrain.painter.train", dying(after=2))
        with pytest.raises(Killed):
            learn(tmp_path / "killed")
    assert same(whole, learn(tmp_path / "killed"))


def dying(after: int) -> Callable[..., nn.Module]:
    """`train` that is killed after so many steps, the last of which was saved."""

    def train_and_die(state: Path, model: nn.Module, loss_of: Callable[..., Tensor], *rest: object) -> nn.Module:
        with pytest.MonkeyPatch.context() as patch:
            return train(state, model, killed_at(after, after - 1, loss_of, patch), *rest)  # pyright: ignore[reportArgumentType]

    return train_and_die


@pytest.mark.slow
def test_the_script_makes_a_model_that_loads_and_has_it_again_from_its_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [
        "--pictures",
        "1",
        "--autoencoder-steps",
        "2",
        "--painter-steps",
        "4",
        "--processes",
        "1",
        "--device",
        "cpu",
    ]
    for name in ("first", "again"):
        monkeypatch.setattr("sys.argv", ["pretrain", *short, "--work", str(tmp_path), "--output", str(tmp_path / name)])
        script.main()
    assert folder_problem(tmp_path / "first", None) is None
    for file in (path for path in (tmp_path / "first").rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(tmp_path / "first")).read_bytes(), file
