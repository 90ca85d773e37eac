"""Trackers: the same numbers as the step events, the pictures where they may go, and never worth a run."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Event as Event_
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker
from PIL import Image

from engine.config import TrainConfig
from engine.errors import EngineError
from engine.events import Event, Pivot, Sample, Step, Warned
from engine.rundir import RunDir, create_run
from engine.training.trackers import MOST_WAITING, Tracking, hparams, tracked

STEP = Step(
    step=3,
    epoch=1,
    loss=0.25,
    prior_loss=None,
    lr={"unet": 1.0, "text": 0.5},
    d=1e-4,
    effective_lr=1e-4,
    grad_norm=0.5,
    seconds=0.1,
    samples_per_second=10.0,
    memory=None,
)


class Notebook(GeneralTracker):
    """A tracker that remembers what it is told; `fails` at the first step, or `hangs` there until that event."""

    name = "notebook"
    requires_logging_directory = False

    def __init__(self, fails: bool = False, hangs: Event_ | None = None) -> None:
        super().__init__()
        self.fails, self.hangs, self.lines, self.finished = fails, hangs, [], False

    def start(self) -> None: ...

    def store_init_configuration(self, values: dict[str, Any]) -> None: ...

    @property
    def tracker(self) -> list[Any]:
        return self.lines

    def log(self, values: dict[str, Any], step: int | None = None, **_: object) -> None:
        if self.fails:
            raise ConnectionError("the server is away")
        if self.hangs:
            self.hangs.wait()
        self.lines.append((step, values))

    def log_images(self, values: dict[str, Any], step: int | None = None, **_: object) -> None:
        self.lines.append((step, {key: [picture.shape for picture in pictures] for key, pictures in values.items()}))

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def never() -> Iterator[Event_]:
    """Comes at the end of the test, so that no thread outlives it."""
    event = Event_()
    yield event
    event.set()


def tracking_in(notebook: Notebook, run: RunDir, emit: Callable[[Event], None]) -> Tracking:
    return Tracking(lambda: notebook, notebook.name, run, emit, with_pictures=True)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path, "cat", TrainConfig())


def test_steps_and_pictures_reach_the_tracker_and_every_event_goes_its_way(run: RunDir) -> None:
    Image.new("RGB", (16, 8)).save(run.samples / "000003-1.png")
    told: list[Event] = []
    notebook = Notebook()
    tracking = tracking_in(notebook, run, told.append)
    events = [STEP, Pivot(step=3), Sample(step=3, path="samples/000003-1.png", prompt="a photo of TOK")]
    for event in events:
        tracking(event)
    tracking.finish()
    assert told == events
    step_values = {
        "epoch": 1,
        "loss": 0.25,
        "d": 1e-4,
        "effective_lr": 1e-4,
        "grad_norm": 0.5,
        "seconds": 0.1,
        "samples_per_second": 10.0,
        "lr/unet": 1.0,
        "lr/text": 0.5,
    }
    assert notebook.lines == [(3, step_values), (3, {"sample/1": [(8, 16, 3)]})]
    assert notebook.finished


def test_a_tracker_that_fails_is_told_once_and_asked_no_more(run: RunDir) -> None:
    told: list[Event] = []
    notebook = Notebook(fails=True)
    tracking = tracking_in(notebook, run, told.append)
    for _ in range(3):
        tracking(STEP)
    tracking.finish()
    [warning] = [event for event in told if isinstance(event, Warned)]
    assert warning.message == (
        "The tracker notebook failed: ConnectionError: the server is away; events.jsonl has the same numbers."
    )
    assert [event for event in told if event is not warning] == [STEP] * 3
    assert not notebook.finished


def test_a_tracker_that_hangs_holds_up_no_step_and_the_end_only_for_a_while(
    run: RunDir, never: Event_, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.trackers.FINISH_SECONDS", 0.01)
    told: list[Event] = []
    tracking = tracking_in(Notebook(hangs=never), run, told.append)
    for _ in range(3):
        tracking(STEP)
    assert told == [STEP] * 3
    tracking.finish()
    assert told[3:] == [
        Warned(message="The tracker notebook failed: it did not finish in 0.01 s; events.jsonl has the same numbers.")
    ]


def test_what_waits_for_a_tracker_that_hangs_is_bounded(run: RunDir, never: Event_) -> None:
    told: list[Event] = []
    tracking = tracking_in(Notebook(hangs=never), run, told.append)
    for _ in range(MOST_WAITING + 10):
        tracking(STEP)
    tracking.finish()
    [warning] = [event for event in told if isinstance(event, Warned)]
    assert f"it hangs, with {MOST_WAITING} steps waiting" in warning.message
    assert len(told) == MOST_WAITING + 10 + 1


def test_a_tracker_that_hangs_at_its_start_is_an_error_in_good_time(
    run: RunDir, never: Event_, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.trackers.START_SECONDS", 0.01)

    def start() -> Notebook:
        never.wait()
        return Notebook()

    with pytest.raises(EngineError, match=r"does not start: no answer in 0\.01 s\. Mend that, or leave report_to out"):
        Tracking(start, "wandb", run, lambda _: None, with_pictures=False)


@pytest.mark.parametrize(
    ("name", "settings", "kinds"),
    [
        ("wandb", {}, ["loss"]),
        ("trackio", {}, ["loss"]),
        ("wandb", {"report_samples": True}, ["loss", "sample/1"]),
        ("tensorboard", {}, ["loss", "sample/1"]),
    ],
)
def test_pictures_leave_the_box_only_where_that_was_asked_for(
    run: RunDir,
    config: Callable[..., TrainConfig],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    settings: dict[str, bool],
    kinds: list[str],
) -> None:
    Image.new("RGB", (16, 8)).save(run.samples / "000003-1.png")
    notebook = Notebook()
    monkeypatch.setattr("engine.training.trackers.find_spec", lambda _: True)
    monkeypatch.setattr("engine.training.trackers._tracker", lambda *_: notebook)
    with tracked(run, config(run={"report_to": name, **settings}), lambda _: None) as emit:
        emit(STEP)
        emit(Sample(step=3, path="samples/000003-1.png", prompt="a photo of TOK"))
    told = [key for _, values in notebook.lines for key in values]
    assert [key for key in told if key in ("loss", "sample/1")] == kinds


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_missing_package_is_two_sentences_before_anything_starts(
    run: RunDir, config: Callable[..., TrainConfig], name: str
) -> None:
    if find_spec(name):
        pytest.skip(f"{name} is installed")
    with (
        pytest.raises(EngineError, match=rf"the package {name} is not installed\. Install it with: pip install {name}"),
        tracked(run, config(run={"report_to": name}), lambda _: None),
    ):
        pass


def test_settings_become_plain_values_by_their_names(config: Callable[..., TrainConfig]) -> None:
    values = hparams(config(lora={"rank": 4}))
    assert values["lora.rank"] == 4
    assert values["concept.token_abstraction"] == "['TOK']"
    assert values["model.revision"] == "none"
    assert all(isinstance(value, str | float | int) for value in values.values())


def test_tensorboard_reads_the_steps_and_pictures_back(run: RunDir, config: Callable[..., TrainConfig]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Image.new("RGB", (16, 8)).save(run.samples / "000003-0.png")
    told: list[Event] = []
    with tracked(run, config(run={"report_to": "tensorboard"}), told.append) as emit:
        emit(STEP)
        emit(Sample(step=3, path="samples/000003-0.png", prompt="a photo of TOK"))
    assert [event.type for event in told] == ["step", "sample"]
    [folder] = {path.parent for path in (run.path / "tensorboard" / "cat").glob("events*")}
    written = EventAccumulator(str(folder)).Reload()
    assert [(scalar.step, scalar.value) for scalar in written.Scalars("loss")] == [(3, 0.25)]
    assert [scalar.value for scalar in written.Scalars("lr/text")] == [0.5]
    [picture] = written.Images("sample/0")
    assert (picture.step, picture.width, picture.height) == (3, 16, 8)
