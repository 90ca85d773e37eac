"""A run's summary: viewers begin with it, never need it, and see the same with it as without."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine import events as events_module
from engine.config import TrainConfig
from engine.curves import MOST_POINTS
from engine.events import Checkpoint, Event, Finished, Phase, Pivot, Progress, Sample, Started, Step, Warned, encode
from engine.journal import Journal
from engine.rundir import RunDir, create_run
from engine.summary import FIRST, LAST, TIMED_STEPS, Summary
from tests.run_events import step


def started(at: int = 0) -> Started:
    return Started(name="cat", pid=1, step=at, total_steps=10**6, pivot_step=50, photos=6, device="CPU")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return create_run(tmp_path, "cat", TrainConfig())


def append(run: RunDir, *told: Event) -> None:
    with run.events_file.open("a") as file:
        file.writelines(encode(event) + "\n" for event in told)


def read(run: RunDir) -> Summary:
    summary = Summary(run)
    for _ in summary.new():
        pass
    return summary


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines of events.jsonl that were decoded."""
    lines, decode = [], events_module.decode

    def counted(line: bytes) -> Event | None:
        lines.append(line)
        return decode(line)

    monkeypatch.setattr(events_module, "decode", counted)
    return lines


def test_who_begins_with_the_summary_sees_what_one_saw_who_read_it_all(run: RunDir, decoded: list[bytes]) -> None:
    append(run, started(), *(step(number, 1 / number) for number in range(1, 3001)), Pivot(step=3000))
    Summary(run).update()
    append(run, step(3001), Warned(message="slow"), step(3002))
    decoded.clear()
    late = read(run)
    assert len(decoded) == 3
    run.summary_file.unlink()
    whole = read(run)
    assert late.curves == whole.curves
    assert late.events == whole.events
    kept_steps = [event.step for event in late.events if isinstance(event, Step)]
    assert kept_steps == list(range(3003 - TIMED_STEPS, 3003))


def test_a_summary_is_brought_up_to_date_from_where_it_ends_also_by_another_worker(
    run: RunDir, decoded: list[bytes]
) -> None:
    append(run, started(), *(step(number, 0.1) for number in range(1, 501)))
    Summary(run).update()
    append(run, started(at=400), step(401, 0.9))
    decoded.clear()
    Summary(run).update()
    assert len(decoded) == 2
    assert Summary(run).curves.losses.points[-2:] == [(400, 0.1), (401, 0.9)]


def damaged(content: str) -> Sequence[str]:
    fields = json.loads(content)
    return (
        "",
        content[: len(content) // 2],
        "\0" * len(content),
        "[" * 10_000,
        json.dumps({**fields, "version": 2}),
        json.dumps({**fields, "offset": -1}),
        json.dumps({**fields, "offset": 10**12}),
        json.dumps({**fields, "curves": [1, "x"]}),
        content.replace('"length":2', '"length":"2 \\u0000"'),
    )


def test_a_damaged_summary_is_as_good_as_none(run: RunDir) -> None:
    append(run, started(), *(step(number, 1 / number) for number in range(1, 100)))
    expected = read(run)
    Summary(run).update()
    for content in damaged(run.summary_file.read_text()):
        run.summary_file.write_text(content)
        assert read(run).curves == expected.curves
        Summary(run).update()
        assert Summary(run).curves == expected.curves, "and is replaced"


def test_the_summary_of_other_events_is_as_good_as_none(run: RunDir, tmp_path: Path) -> None:
    other = create_run(tmp_path, "other", TrainConfig())
    append(other, started(), *(step(number) for number in range(1, 9)))
    Summary(other).update()
    append(run, started(), *(step(number, 0.9) for number in range(1, 9)))
    shutil.copy(other.summary_file, run.summary_file)
    assert read(run).curves.losses.points == [(number, 0.9) for number in range(1, 9)]


def test_without_a_summary_few_of_very_many_steps_are_decoded_and_everything_else(
    run: RunDir, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    most_bytes = 2**17
    monkeypatch.setattr("engine.summary.MOST_BYTES", most_bytes)
    total = 8 * most_bytes // len(encode(step(1)))
    append(run, started(), *(step(number, 1000 / (1000 + number)) for number in range(1, total // 2)))
    append(run, Pivot(step=total // 2), Checkpoint(step=total // 2, path="checkpoints/1"))
    append(run, *(step(number, 1000 / (1000 + number)) for number in range(total // 2, total + 1)))
    seen = list(Summary(run).new())
    assert len(decoded) < 1.3 * total / 8
    assert [event.type for event in seen if not isinstance(event, Step)] == ["started", "pivot", "checkpoint"]
    steps = [event.step for event in seen if isinstance(event, Step)]
    assert steps[0] < 20 and steps[-TIMED_STEPS:] == list(range(total + 1 - TIMED_STEPS, total + 1))
    thin, whole = read(run).curves, 1000 / (1000 + total)
    assert thin.losses.mean().value == pytest.approx(whole, rel=0.02), (
        "a step that was read stands for those passed over"
    )


def test_what_is_held_and_stored_is_bounded(run: RunDir) -> None:
    append(run, started())
    sizes = []
    for start in range(0, 40_000, 10_000):
        for number in range(start, start + 10_000, 10):
            append(
                run, Checkpoint(step=number, path="x"), Sample(step=number, path="x", prompt="TOK"), Phase(phase="x")
            )
            append(run, *(Progress(phase="x", done=1, total=2), step(number), Warned(message="x")))
        Summary(run).update()
        sizes.append(run.summary_file.stat().st_size)
    summary = Summary(run)
    assert len(summary.events) == 4 * (FIRST + LAST) + TIMED_STEPS + 1 + 1
    assert len(summary.curves.losses.points) <= MOST_POINTS
    assert sizes[-1] < 1.2 * sizes[1]
    first, last = [event.step for event in summary.events if isinstance(event, Checkpoint)][:: FIRST + LAST - 1]
    assert (first, last) == (0, 39_990)


@pytest.mark.parametrize("garbage", [b"\0" * 5_000_000, b"\0" * 5_000_000 + b"\n", b"[" * 3_000_000 + b"\n"])
def test_what_a_crashed_file_system_leaves_is_passed_over(run: RunDir, garbage: bytes) -> None:
    append(run, started(), step(1))
    with run.events_file.open("ab") as file:
        file.write(garbage)
    if garbage.endswith(b"\n"):
        append(run, step(2))
    assert [number for number, _ in read(run).curves.losses.points] == [1, 2][: 1 + garbage.endswith(b"\n")]


def test_the_worker_leaves_a_summary_of_all_and_goes_on_with_it(run: RunDir, decoded: list[bytes]) -> None:
    for at in (0, 3):
        journal = Journal(run)
        for event in (started(at), *(step(number) for number in range(at + 1, at + 4)), Finished(step=at + 3)):
            journal(event)
        decoded.clear()
        assert len(read(run).curves.losses.points) == at + 3
        assert not decoded, "nothing is left to be read"
