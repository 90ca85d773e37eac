"""How long a viewer of a run with a million events takes to its first full picture, and how much memory.

Run: python benchmarks/attach.py [--events N] [--folder DIR]

It makes such a run in DIR (370 MB), then looks at it from new processes, without its summary and with it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.config import TrainConfig
from engine.events import Checkpoint, Event, Finished, Pivot, Sample, Started, Step, encode
from engine.rundir import RunDir, Status, create_run
from engine.summary import Summary


def write_run(folder: Path, steps: int) -> RunDir:
    """A finished run of so many steps, with a picture and a checkpoint a hundred times, as its worker leaves it."""
    run = create_run(folder, "long", TrainConfig())
    started = Started(
        name="long", pid=1, step=0, total_steps=steps, pivot_step=steps // 2, photos=20, device="NVIDIA H200"
    )
    with run.events_file.open("w") as file:
        file.write(encode(started) + "\n")
        for number in range(1, steps + 1):
            for event in _events_of_step(number, steps):
                file.write(encode(event) + "\n")
        file.write(encode(Finished(step=steps)) + "\n")
    run.write_status(Status(state="finished", step=steps, total_steps=steps))
    return run


def _events_of_step(number: int, steps: int) -> list[Event]:
    events: list[Event] = [
        Step(
            time=1.7e9 + 0.1 * number,
            step=number,
            epoch=number // 20,
            loss=0.1 + 0.9 / number**0.3 + 0.01 * (number % 7),
            prior_loss=0.123456789012345,
            lr={"unet": 1.0, "text": 1.0},
            d=1.2345678901234567e-6 * number**0.5,
            effective_lr=1.2345678901234567e-6 * number**0.5,
            grad_norm=0.4321098765432109,
            seconds=0.1012345678901234,
            samples_per_second=9.876543210987654,
            memory=23456789012,
        )
    ]
    if number == steps // 2:
        events.append(Pivot(step=number))
    if number % max(steps // 100, 1) == 0:
        events.append(Checkpoint(step=number, path=f"checkpoints/{number:06d}"))
        events.append(Sample(step=number, path=f"samples/{number:06d}-0.png", prompt="a photo of TOK"))
    return events


def attach(path: Path) -> dict[str, float]:
    """Seconds from the imports done to the first picture drawn, points in its curve, and MB that it took."""
    from rich.console import Console

    from loratui.runs.live import panels
    from loratui.runs.monitor import Monitor

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    monitor = Monitor(RunDir(path))
    monitor.refresh()
    with Path("/dev/null").open("w") as nowhere:
        Console(file=nowhere, width=120).print(panels(monitor, 120))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "points": len(monitor.losses), "megabytes": (peak - before) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--look-at", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look_at:
        print(json.dumps(attach(arguments.look_at)))  # noqa: T201
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        run = write_run(Path(folder), arguments.events)
        _show("without a summary", run)
        Summary(run).update()
        _show("with its summary", run)


def _show(label: str, run: RunDir) -> None:
    command = [sys.executable, __file__, "--look-at", str(run.path)]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    size = run.events_file.stat().st_size / 1e6
    print(  # noqa: T201
        f"{label}: {size:.0f} MB of events, {seen['seconds']:.2f} s to the first picture of {seen['points']} points, "
        f"{seen['megabytes']:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
