"""What befalls a run while it goes on: each is called in its worker's process."""

import shutil
import time
from pathlib import Path

from PIL import Image

from engine.rundir import RunDir


def delete_a_photo(run: RunDir) -> None:
    _a_photo(run).unlink()


def replace_a_photo(run: RunDir) -> None:
    """By another picture under the same name."""
    Image.new("RGB", (300, 200), "red").save(_a_photo(run))


def break_sampling(_run: RunDir) -> None:
    from engine.training import trainer

    def write_samples(*_arguments: object) -> None:
        raise RuntimeError("the \x1b[31msampler[/red] broke")

    trainer.write_samples = write_samples  # type: ignore[assignment]


def hang_the_tracker(_run: RunDir) -> None:
    """At its first line."""
    from accelerate.tracking import TensorBoardTracker

    from engine.training import trackers

    def log(*_arguments: object, **_options: object) -> None:
        time.sleep(1e6)

    TensorBoardTracker.log = log  # type: ignore[method-assign]
    trackers.FINISH_SECONDS = 1.0


def put_garbage_among_the_requests(run: RunDir) -> None:
    """Unknown names, folders and a link in a request's place, content that is no text, and very many."""
    for number in range(1000):
        (run.control / f"garbage-{number}").write_bytes(b"\xff\x00")
    for name in ("chechpoint", "STOP", ".stop.swp"):
        (run.control / name).write_bytes(b"stop")
    for name in ("stop_now", "pause", "checkpoint"):
        (run.control / name).mkdir()
        (run.control / name / "file").write_text("")
    (run.control / "sample").symlink_to("nowhere")


def break_all_at_once(run: RunDir) -> None:
    for trouble in (break_sampling, hang_the_tracker, put_garbage_among_the_requests):
        trouble(run)


def copy_the_run_elsewhere(run: RunDir) -> None:
    """To a folder beside that of its runs, as it lies."""
    shutil.copytree(run.path, run.path.parents[1] / "else where" / run.name)


def _a_photo(run: RunDir) -> Path:
    return Path(run.config().data.instance_data_dir or "") / "astronaut.png"
