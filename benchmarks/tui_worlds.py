"""What the TUI is measured on: folders of photos, a run that goes on, one of a day, and one that has long ended."""

import argparse
import os
import random
import time
from pathlib import Path

from PIL import Image

from curation.atomic import write_text
from engine.config import TrainConfig
from engine.events import EventWriter, Started
from engine.rundir import RunDir, Status, create_run
from loratui.photos.demo_photos import write_demo_photos
from tests.run_events import step

DAY_SECONDS = 86_400


def write_world(folder: Path) -> Path:
    """A working folder with photos that have faults and captions, preferences of its own, and six runs that ended."""
    write_demo_photos(folder / "photos")
    for number in range(6):
        run = create_run(folder / "runs", f"run-{number}", TrainConfig())
        write_steps(EventWriter(run.events_file), range(1, 101))
        run.write_status(Status(state="stopped", step=100, total_steps=1000, loss=0.25, started=time.time() - 3600))
    return folder


def write_photos(folder: Path, count: int) -> Path:
    """So many JPEGs of 512 x 384, each its own bytes, with captions."""
    folder.mkdir(parents=True)
    drawn = random.Random(0)
    for number in range(count):
        colours = [tuple(drawn.randrange(256) for _ in range(3)) for _ in range(2)]
        image = Image.new("RGB", (512, 384), colours[0])
        image.paste(colours[1], (drawn.randrange(200), drawn.randrange(150), 400, 300))
        image.save(folder / f"photo-{number:05d}.jpg", quality=50)
        (folder / f"photo-{number:05d}.txt").write_text(f"a photo of TOK, number {number}")
    return folder


def write_preferences(folder: Path, pictures: str) -> dict[str, str]:
    """A user without a past who draws pictures in this way; returns the environment that makes the TUI theirs."""
    config = folder / f"user-{pictures}" / "config" / "loratui"
    config.mkdir(parents=True, exist_ok=True)
    write_text(config / "config.toml", f'[ui]\npictures = "{pictures}"\n')
    user = folder / f"user-{pictures}"
    return {"XDG_CONFIG_HOME": str(user / "config"), "XDG_STATE_HOME": str(user / "state")}


def live_run(folder: Path) -> RunDir:
    """A run that has just begun; alive as long as `work` holds its lock."""
    run = create_run(folder / "runs", "live", TrainConfig())
    total, pivot = DAY_SECONDS, DAY_SECONDS // 2
    started = Started(name="live", pid=1, step=0, total_steps=total, pivot_step=pivot, photos=20, device="CPU")
    EventWriter(run.events_file).write(started)
    run.write_status(Status(state="running", step=0, total_steps=DAY_SECONDS, started=time.time()))
    return run


def write_steps(writer: EventWriter, numbers: range) -> None:
    for number in numbers:
        noise = random.Random(number).random()
        loss = 0.1 + 0.9 / number**0.3 + 0.1 * noise
        writer.write(step(number, loss=loss, prior_loss=0.2 * noise, grad_norm=0.4 + noise, memory=23_456_789_012))


def work(run: RunDir, steps_per_second: float, seconds: float) -> None:
    """What a worker does, as a viewer sees it: hold the lock, and tell of step after step at an even pace."""
    with run.lock():
        writer, began, told = EventWriter(run.events_file), time.monotonic(), 0
        while time.monotonic() - began < seconds:
            due = int((time.monotonic() - began) * steps_per_second)
            write_steps(writer, range(told + 1, due + 1))
            told = max(told, due)
            time.sleep(min(1 / steps_per_second, 0.2))


def main() -> None:
    parser = argparse.ArgumentParser(description="Play the worker of a run, as a process of its own.")
    parser.add_argument("run", type=Path)
    parser.add_argument("steps_per_second", type=float)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    os.nice(5)
    work(RunDir(arguments.run), arguments.steps_per_second, arguments.seconds)


if __name__ == "__main__":
    main()
