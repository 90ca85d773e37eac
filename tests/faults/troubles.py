"""What befalls a run while it goes on: each is called in its worker's process."""

import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

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
    """At its first line; it starts as it should."""
    from accelerate.tracking import GeneralTracker

    from engine.training import trackers

    class Hanging(GeneralTracker):
        name, requires_logging_directory = "hanging", False
        tracker = None

        def start(self) -> None: ...

        def store_init_configuration(self, values: dict[str, object]) -> None: ...

        def log(self, values: dict[str, object], step: int | None = None, **_: object) -> None:
            time.sleep(1e6)

    trackers._tracker = lambda *_: Hanging()  # type: ignore[assignment]
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


def fill_the_disk_until_that_is_said(run: RunDir) -> None:
    """The run's own disk; one that it shares with others is only taken for full."""
    runs, free = run.path.parent, shutil.disk_usage(run.path).free
    filler, disk_usage = runs / "filler", shutil.disk_usage
    if runs.is_mount():
        filler.write_bytes(bytes(free - 2**18))
    else:
        shutil.disk_usage = lambda _path: SimpleNamespace(free=2**18)  # type: ignore[assignment]

    def make_room() -> None:
        while '"phase": "waiting"' not in run.events_file.read_text():
            time.sleep(0.05)
        filler.unlink(missing_ok=True)
        shutil.disk_usage = disk_usage

    threading.Thread(target=make_room, daemon=True).start()


def copy_the_run_elsewhere(run: RunDir) -> None:
    """To a folder beside that of its runs, as it lies."""
    shutil.copytree(run.path, run.path.parents[1] / "else where" / run.name)


def _a_photo(run: RunDir) -> Path:
    """The one that is read last."""
    return Path(run.config().data.instance_data_dir or "") / "rocket.png"
