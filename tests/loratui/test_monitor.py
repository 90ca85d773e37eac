"""One model of a run's live state: what its viewers see of the events, from the first step on."""

import math
import tracemalloc
from pathlib import Path

import pytest

from engine.config import TrainConfig, compose
from engine.curves import MOST_POINTS
from engine.events import (
    Checkpoint,
    ClassImages,
    Event,
    EventWriter,
    Failed,
    Finished,
    MicroBatchHalved,
    Paused,
    Phase,
    Pivot,
    Progress,
    Rehearsed,
    Sample,
    Skipped,
    Started,
    Step,
    Stopped,
    Verified,
    Warned,
)
from engine.rundir import RunDir, Status, create_run
from loratui.runs.monitor import MOST_FILES, MOST_MESSAGES, Monitor


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path, "cat", TrainConfig())


def write(run: RunDir, *events: Event) -> None:
    writer = EventWriter(run.events_file)
    for event in events:
        writer.write(event)


def started(step: int = 0, total_steps: int = 100) -> Started:
    return Started(name="cat", pid=1, step=step, total_steps=total_steps, pivot_step=50, photos=6, device="cpu")


def step(number: int, loss: float = 0.1, seconds: float = 2.0, prior_loss: float | None = None) -> Step:
    return Step(
        step=number,
        epoch=1,
        loss=loss,
        prior_loss=prior_loss,
        lr={"unet": 1.0, "tokens": 1.0},
        d=1e-4,
        effective_lr=1e-4,
        grad_norm=0.5,
        seconds=seconds,
        samples_per_second=0.5,
        memory=2**30,
    )


def test_a_new_run_shows_its_name_and_state(run: RunDir) -> None:
    monitor = Monitor(run)
    assert monitor.refresh()
    assert (monitor.name, monitor.state, monitor.losses, monitor.eta_seconds) == ("cat", "queued", [], None)


def test_refresh_says_whether_anything_changed(run: RunDir) -> None:
    monitor = Monitor(run)
    monitor.refresh()
    assert not monitor.refresh()
    write(run, started())
    assert monitor.refresh()
    assert not monitor.refresh()


def test_numbers_come_from_the_last_step(run: RunDir) -> None:
    with run.lock():
        run.write_status(Status(state="running"))
        write(run, started(), step(1, loss=0.2), step(2, loss=0.4, seconds=4.0))
        monitor = Monitor(run)
        monitor.refresh()
    assert (monitor.state, monitor.step, monitor.total_steps, monitor.pivot_step) == ("running", 2, 100, 50)
    assert monitor.losses == [(1, 0.2), (2, 0.4)]
    assert monitor.smoothed_losses[-1] == (2, pytest.approx(0.3))
    assert monitor.effective_lrs == [(1, 1e-4), (2, 1e-4)]
    assert monitor.lrs == {"unet": 1.0, "tokens": 1.0}
    assert monitor.seconds_per_step == 3.0
    assert monitor.eta_seconds == 98 * 3.0


def test_a_run_that_nobody_works_on_has_no_remaining_time(run: RunDir) -> None:
    run.write_status(Status(state="running"))
    write(run, started(), step(1))
    monitor = Monitor(run)
    monitor.refresh()
    assert (monitor.state, monitor.eta_seconds) == ("died", None)
    assert monitor.outcome and str(run.log_file) in monitor.outcome[1]


def test_a_run_that_looked_dead_for_a_moment_is_told_by_its_end(run: RunDir) -> None:
    run.write_status(Status(state="running"))
    write(run, started(), step(1))
    monitor = Monitor(run)
    monitor.refresh()
    assert monitor.state == "died" and monitor.outcome
    run.write_status(Status(state="stopped", step=1))
    write(run, Stopped(step=1))
    monitor.refresh()
    assert (monitor.state, monitor.outcome) == ("stopped", None)


def test_steps_after_a_restart_replace_those_recorded_before(run: RunDir) -> None:
    write(run, started(), *(step(number, loss=0.1) for number in range(1, 8)))
    monitor = Monitor(run)
    monitor.refresh()
    write(run, started(step=5), step(6, loss=0.9))
    monitor.refresh()
    assert [number for number, _ in monitor.losses] == [1, 2, 3, 4, 5, 6]
    assert monitor.losses[-1] == (6, 0.9)
    assert [number for number, _ in monitor.smoothed_losses] == [1, 2, 3, 4, 5, 6]
    assert monitor.step == 6


def test_a_viewer_that_comes_late_sees_the_same_as_one_that_watched(run: RunDir) -> None:
    watching = Monitor(run)
    for event in (started(), step(1), step(2, loss=0.3), started(step=1), step(2, loss=0.5), step(3)):
        write(run, event)
        watching.refresh()
    late = Monitor(run)
    late.refresh()
    assert late.losses == watching.losses
    assert late.smoothed_losses == watching.smoothed_losses
    assert list(late.messages) == list(watching.messages)


def test_phases_samples_checkpoints_and_warnings_are_told(run: RunDir) -> None:
    write(
        run,
        started(),
        Phase(phase="caching"),
        Progress(phase="caching", done=2, total=6),
        Warned(message="No GPU."),
        Sample(step=10, path="samples/000010-0.png", prompt="TOK"),
        Checkpoint(step=10, path="checkpoints/000010"),
        Skipped(step=11, reason="loss is nan", photos=["a.jpg"]),
        Pivot(step=50),
    )
    monitor = Monitor(run)
    monitor.refresh()
    assert (monitor.phase, monitor.progress) == ("caching", (2, 6))
    assert monitor.samples == [run.path / "samples/000010-0.png"]
    assert monitor.checkpoints == [run.path / "checkpoints/000010"]
    assert list(monitor.warnings) == ["No GPU."]
    told = "\n".join(monitor.messages)
    assert "step 11 left out: loss is nan (a.jpg)" in told
    assert "step 50: the pivot" in told


def test_a_failure_keeps_its_two_sentences_until_the_run_goes_on(run: RunDir) -> None:
    write(run, started(), Failed(problem="Out of memory.", remedy="Lower the batch size."))
    monitor = Monitor(run)
    monitor.refresh()
    assert monitor.outcome == ("Out of memory.", "Lower the batch size.")
    write(run, started(step=0))
    monitor.refresh()
    assert monitor.outcome is None


def test_verification_is_kept(run: RunDir) -> None:
    verified = Verified(ok=True, files=["output/cat.safetensors"], tensors=9, difference=0.0, message="9 tensors equal")
    write(run, started(), verified, Finished(step=100))
    monitor = Monitor(run)
    monitor.refresh()
    assert monitor.verified and monitor.verified.ok


def test_control_characters_are_shown_not_obeyed(run: RunDir) -> None:
    write(run, started(), Warned(message="\x1b]0;owned\x07[/foo]"))
    monitor = Monitor(run)
    monitor.refresh()
    assert monitor.messages[-1] == "warning: \\x1b]0;owned\\x07[/foo]"


def test_a_loss_that_is_not_finite_does_not_poison_the_smoothed_one(run: RunDir) -> None:
    write(run, started(), step(1), step(2, loss=math.nan), step(3))
    monitor = Monitor(run)
    monitor.refresh()
    assert monitor.smoothed_losses == [(1, pytest.approx(0.1)), (3, pytest.approx(0.1))]


def test_a_long_run_keeps_a_bounded_series_over_its_whole_length(run: RunDir) -> None:
    total = 5 * MOST_POINTS
    write(run, started(total_steps=total), *(step(number) for number in range(1, total + 1)))
    monitor = Monitor(run)
    monitor.refresh()
    steps = [number for number, _ in monitor.losses]
    assert len(steps) <= MOST_POINTS
    assert steps == sorted(set(steps))
    assert steps[0] == 1 and total - steps[-1] < 16
    assert (monitor.step, monitor.loss) == (total, 0.1)


def test_the_rehearsal_tells_speed_and_remaining_time_until_steps_do(run: RunDir) -> None:
    with run.lock():
        run.write_status(Status(state="running"))
        write(run, started(), Phase(phase="rehearsal"))
        write(run, Rehearsed(seconds_per_step=3.0, remaining_seconds=300.0, memory=2**31))
        monitor = Monitor(run)
        monitor.refresh()
        assert (monitor.phase, monitor.seconds_per_step, monitor.eta_seconds) == ("rehearsal", 3.0, 300.0)
        assert monitor.memory == 2**31
        write(run, step(1, seconds=2.0))
        monitor.refresh()
        assert (monitor.seconds_per_step, monitor.eta_seconds) == (2.0, 198.0)


@pytest.mark.parametrize("end", [Paused(step=40), Failed(problem="Broken.", remedy="Mend it.")])
def test_of_a_worker_that_is_awaited_nothing_is_told_that_the_last_one_did(run: RunDir, end: Event) -> None:
    with run.lock():
        run.write_status(Status(state="running"))
        write(run, Phase(phase="loading"), started(), Phase(phase="training"), step(40, seconds=2.0))
        write(run, Phase(phase="exporting"), Progress(phase="exporting", done=1, total=3), end)
        monitor = Monitor(run)
        monitor.refresh()
        assert (monitor.phase, monitor.progress, monitor.seconds_per_step) == ("", None, 2.0)
        assert monitor.eta_seconds is None
        write(run, Phase(phase="loading"))
        monitor.refresh()
        assert (monitor.phase, monitor.seconds_per_step, monitor.eta_seconds) == ("loading", None, None)


def test_a_full_gpu_and_the_class_images_are_told(run: RunDir) -> None:
    write(run, ClassImages(real=20, generated=80))
    write(run, MicroBatchHalved(step=3, micro_batch=1, gradient_accumulation_steps=4))
    monitor = Monitor(run)
    monitor.refresh()
    assert list(monitor.messages) == [
        "class images: 20 given, 80 generated",
        "step 3: the GPU was full; it now gets 1 photo at a time, 4 times a step",
    ]


def test_cost_and_what_ends_the_run_first_follow_from_its_config(tmp_path: Path) -> None:
    config = compose(flags={"run": {"price_per_hour": 3.6, "max_cost": 1.05, "max_hours": 9.0}}).config
    run = create_run(tmp_path, "cat", config)
    with run.lock():
        run.write_status(Status(state="running", worked=1000))
        write(run, started(), *(step(number) for number in range(1, 61)))
        monitor = Monitor(run)
        monitor.refresh()
    assert (monitor.cost, monitor.cost_to_come) == (pytest.approx(1.0), pytest.approx(0.08))
    assert monitor.limit and monitor.limit.setting == "max_cost"
    assert monitor.seconds_to_limit == pytest.approx(50.0)
    assert monitor.makes_samples


def test_a_run_without_a_price_has_no_cost_and_no_limit(run: RunDir) -> None:
    write(run, started(), step(1))
    monitor = Monitor(run)
    monitor.refresh()
    assert (monitor.cost, monitor.cost_to_come, monitor.limit, monitor.seconds_to_limit) == (None, None, None, None)


def test_prior_loss_and_the_prompt_of_each_picture_are_told(run: RunDir) -> None:
    picture = Sample(step=2, path="samples/000002-0.png", prompt="TOK\x1b[2J")
    write(run, started(), step(1, prior_loss=0.5), step(2, prior_loss=0.3), picture)
    monitor = Monitor(run)
    monitor.refresh()
    assert monitor.prior_loss == 0.3
    assert monitor.curves.prior_losses.points == [(1, 0.5), (2, 0.3)]
    assert monitor.prompts == {run.path / "samples/000002-0.png": "TOK\\x1b[2J"}


def test_reading_reports_how_far_it_is_and_can_be_ended_and_gone_on_with(run: RunDir) -> None:
    write(run, started(total_steps=2000), *(step(number) for number in range(1, 2001)))
    monitor = Monitor(run)
    assert monitor.losses == [], "nothing is read before the first refresh"
    reports: list[tuple[int, int]] = []

    def end_soon(done: int, total: int) -> None:
        reports.append((done, total))
        if len(reports) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        monitor.refresh(end_soon)
    assert 0 < reports[-1][0] < reports[-1][1] == run.events_file.stat().st_size
    monitor.refresh()
    assert (monitor.step, len(monitor.losses)) == (2000, 2000)


@pytest.mark.slow
def test_a_run_of_a_day_takes_no_more_memory_than_half_of_it(run: RunDir) -> None:
    """A step a second, pictures every five minutes, a warning a minute."""
    hour, taken = 3600, []
    monitor = Monitor(run)
    write(run, started(total_steps=24 * hour))
    tracemalloc.start()
    try:
        for begin in range(0, 24 * hour, hour):
            told: list[Event] = []
            for number in range(begin + 1, begin + hour + 1):
                told.append(step(number, loss=1 / number, prior_loss=0.1))
                if number % 60 == 0:
                    told.append(Warned(message=f"minute {number // 60}"))
                if number % 300 == 0:
                    told.append(Sample(step=number, path=f"samples/{number:06d}-0.png", prompt="TOK"))
            write(run, *told)
            del told
            monitor.refresh()
            taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert monitor.step == 24 * hour
    assert len(monitor.losses) <= MOST_POINTS and len(monitor.messages) == MOST_MESSAGES
    assert len(monitor.sample_sets) == len(monitor.prompts) <= MOST_FILES
    assert max(taken[12:]) < 1.2 * max(taken[:12])
