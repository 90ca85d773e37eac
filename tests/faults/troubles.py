"""What befalls a run while it goes on: each is called in its worker's process."""

import shutil
import time
from typing import Any

from accelerate.tracking import GeneralTracker
from PIL import Image

from engine.rundir import RunDir


def delete_a_photo(run: RunDir) -> None:
    _a_photo(run).unlink()


def replace_a_photo(run: RunDir) -> None:
    """By another picture under the same name."""
    Image.new("RGB", (300, 200), "red").save(_a_photo(run))


def empty_the_cache(run: RunDir) -> None:
    shutil.rmtree(run.path.parent / ".cache")


def break_sampling(_run: RunDir) -> None:
    from engine.training import trainer

    def write_samples(*_arguments: object) -> None:
        raise RuntimeError("the \x1b[31msampler[/red] broke")

    trainer.write_samples = write_samples  # type: ignore[assignment]


def break_the_tracker(_run: RunDir) -> None:
    def log(*_arguments: object, **_options: object) -> None:
        raise ConnectionError("the server is away")

    _put_a_tracker(log)


def hang_the_tracker(_run: RunDir) -> None:
    def log(*_arguments: object, **_options: object) -> None:
        time.sleep(1e6)

    _put_a_tracker(log)


def _put_a_tracker(log: Any) -> None:
    """One that starts, and then logs so."""
    from engine.training import trackers

    class Tracker(GeneralTracker):
        name, requires_logging_directory = "tensorboard", False
        start = store_init_configuration = tracker = lambda *_: None  # type: ignore[assignment]

    Tracker.log = log
    trackers._tracker = lambda *_: Tracker()  # type: ignore[assignment]
    trackers.FINISH_SECONDS = 1.0


def _a_photo(run: RunDir):
    return sorted(run.config().dataset_folder.glob("*.png"))[0]
