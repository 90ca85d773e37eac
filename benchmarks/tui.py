"""What the TUI costs a line and its user: bytes it sends, seconds until it answers, memory over a day.

Run: python benchmarks/tui.py [--only NAME ...] [--folder DIR]

It runs `python -m loratui` in a pty of 120 x 40 in truecolor, presses its keys, and counts what comes, before any
compression by ssh.  Times are wall times on a machine that should do nothing else.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import textual

from benchmarks.attach import write_run
from benchmarks.tui_terminal import PLAIN, PtyTerminal
from benchmarks.tui_worlds import DAY_SECONDS, live_run, write_photos, write_preferences, write_world
from engine.summary import Summary

REPO = Path(__file__).parents[1]
SCREENS = {
    "0": "Home",
    "1": "Photos",
    "2": "Checks",
    "3": "Captions",
    "4": "Recipe",
    "5": "Train",
    "6": "Results",
    "L": "Log",
}
KIB = 1024
FIRST_PAINT = b"Captions"
"""A word of the strip on top: once it is there the screen has been drawn."""
BARE_APP = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("Captions")
Bare().run()
"""


@dataclass(frozen=True)
class Row:
    """A line of the table.  limit: "" where none was set.  bytes: the most that came at once."""

    what: str
    measured: str
    limit: str = ""
    holds: bool | None = None
    bytes: int = 0


def open_tui(world: Path, *arguments: str, pictures: str = "half-blocks", python: tuple[str, ...] = ()) -> PtyTerminal:
    """The TUI in a working folder."""
    command = [sys.executable, *(python or ("-m", "loratui")), *arguments]
    environ = {**write_preferences(world, pictures), "PYTHONPATH": str(REPO)}
    return PtyTerminal(command, answers=PLAIN, cwd=world, environ=environ)


def settled(terminal: PtyTerminal, quiet: float = 1.5) -> bytes:
    """Wait for the first paint and all that follows it by itself."""
    return terminal.receive_until(lambda came: FIRST_PAINT in came) + terminal.receive_until_quiet(quiet)


def idle(world: Path) -> Iterator[Row]:
    """Bytes that each screen sends while nothing happens."""
    with open_tui(world, "--photos", "photos") as terminal:
        settled(terminal)
        for key, name in SCREENS.items():
            answer(terminal, key.encode())
            terminal.receive_until_quiet(3.0)
            sent = len(terminal.receive(8.0))
            yield Row(f"{name}, idle for 8 s", f"{sent} B", "0 B", sent == 0)
        answer(terminal, b"1")
        for column in range(2, 100, 4):
            terminal.send(b"\x1b[<35;%d;20M" % column)
        sent = len(terminal.receive_until_quiet(1.0))
        yield Row("the mouse passes over 25 cells", f"{sent} B", "0 B", sent == 0)


def moves(terminal: PtyTerminal, key: bytes, times: int) -> list[int]:
    """Bytes that each press of a key costs, until nothing follows."""
    return [len(answer(terminal, key)) for _ in range(times)]


def answer(terminal: PtyTerminal, key: bytes) -> bytes:
    """All that comes for a key."""
    terminal.send(key)
    return terminal.receive_at_most(bool, 3.0) + terminal.receive_until_quiet(0.6)


def cursor(world: Path) -> Iterator[Row]:
    """Bytes of a moved cursor, pictures aside; those of a move that scrolls are told apart by their jump."""
    with open_tui(world, "--photos", "photos", pictures="off") as terminal:
        settled(terminal)
        for key in ("0", "1", "2", "3", "4", "5", "6"):
            answer(terminal, key.encode())
            terminal.receive_until_quiet(2.0)
            sent = moves(terminal, b"j", 12) + moves(terminal, b"k", 6)
            yield Row(
                f"{SCREENS[key]}, a key", f"median {median(sent):.0f} B, most {max(sent)} B", "1 KiB", max(sent) <= KIB
            )


def pictures(world: Path) -> Iterator[Row]:
    """Bytes of a change of picture in half blocks: on Captions, the next photo with its caption."""
    with open_tui(world, "--photos", "photos") as terminal:
        settled(terminal)
        for key in ("2", "3"):
            answer(terminal, key.encode())
            terminal.receive_until_quiet(2.0)
            sent = moves(terminal, b"j", 8)
            shown = f"median {median(sent) / KIB:.1f} KiB, most {max(sent) / KIB:.1f} KiB"
            yield Row(f"{SCREENS[key]}, the next picture", shown, "35 KiB", max(sent) <= 35 * KIB)


def train(world: Path) -> Iterator[Row]:
    """Bytes a second on Train, looking once a second at a run of five steps a second."""
    run = live_run(world)
    worker = [sys.executable, "-m", "benchmarks.tui_worlds", str(run.path), "5", "60"]
    with subprocess.Popen(worker, cwd=REPO) as process, open_tui(world, "--run", "live") as terminal:
        settled(terminal, quiet=0.2)
        terminal.receive(8.0)
        sent = len(terminal.receive(20.0)) / 20
        yield Row("Train at 1 Hz, 5 steps a second", f"{sent / KIB:.1f} KiB/s", "5 KiB/s", sent <= 5 * KIB)
        process.terminate()


def first_paint(world: Path) -> Iterator[Row]:
    """Seconds from the start to the first screen, beside a Textual app of one word, in turn."""
    bare, ours, opened = [], [], []
    empty = world / "empty"
    empty.mkdir(exist_ok=True)
    for _ in range(9):
        with open_tui(empty, python=("-c", BARE_APP)) as terminal:
            bare.append(_seconds_until(terminal, FIRST_PAINT))
        with open_tui(empty) as terminal:
            ours.append(_seconds_until(terminal, FIRST_PAINT))
        with open_tui(world, "--photos", "photos") as terminal:
            opened.append(_seconds_until(terminal, FIRST_PAINT))
    ratio = median(ours) / median(bare)
    yield Row("first paint of a bare Textual app", f"{median(bare):.2f} s")
    yield Row("first paint of loratui", f"{median(ours):.2f} s, {ratio:.2f} times", "1.2 times", ratio <= 1.2)
    yield Row("first paint with a folder", f"{median(opened):.2f} s, {median(opened) / median(bare):.2f} times")


def attach(world: Path) -> Iterator[Row]:
    """Seconds from the start until Train has drawn all that a run of a million events holds."""
    events = 1_000_000
    run = write_run(world / "runs", events)
    for label in ("without a summary", "with its summary"):
        with open_tui(world, "--run", run.path.name) as terminal:
            seconds = _seconds_until(terminal, b"pivot 500000")
            while terminal.receive_at_most(bool, 2.0):
                seconds = time.monotonic() - terminal.started
        yield Row(f"attach to {events:,} events, {label}", f"{seconds:.2f} s", "2 s", seconds <= 2)
        Summary(run).update()


def day(world: Path) -> Iterator[Row]:
    """Memory while a day of one step a second is told within a minute and a half."""
    run = live_run(world)
    worker = [sys.executable, "-m", "benchmarks.tui_worlds", str(run.path), str(DAY_SECONDS / 80), "95"]
    with subprocess.Popen(worker, cwd=REPO) as process, open_tui(world, "--run", "live") as terminal:
        settled(terminal, quiet=0.2)
        megabytes = []
        for _ in range(9):
            terminal.receive(10.0)
            megabytes.append(psutil.Process(terminal.process.pid).memory_info().rss / 1e6)
        process.terminate()
    start, middle, end = megabytes[0], megabytes[4], megabytes[-1]
    shown = f"{start:.0f}, {middle:.0f}, {end:.0f} MB"
    yield Row(f"memory, {DAY_SECONDS} steps: start, middle, end", shown, "flat", end <= 1.1 * middle)


def many(world: Path) -> Iterator[Row]:
    """Opening ten thousand photos, and the time from a key to the first bytes of its answer."""
    folder = write_photos(world / "many", 10_000)
    with open_tui(world, "--photos", str(folder), pictures="off") as terminal:
        terminal.receive_until(lambda came: FIRST_PAINT in came)
        terminal.receive_until_quiet(3.0, seconds=300)
        for key, name in (("1", "Photos"), ("3", "Captions")):
            terminal.send(b"0")
            terminal.receive_until_quiet(1.0)
            sent = time.monotonic()
            terminal.send(key.encode())
            terminal.receive_until(lambda came: b"photo-0000" in came, 60)
            seconds = time.monotonic() - sent
            yield Row(f"10,000 photos, to {name}", f"{seconds:.2f} s", "0.5 s", seconds <= 0.5)
            terminal.receive_until_quiet(1.0)
            waits = [_answer_seconds(terminal, key) for key in (b"j", b"k", b"j", b"G", b"k", b"g", b"\x1b[6~") * 4]
            shown = f"median {1000 * median(waits):.0f} ms, most {1000 * max(waits):.0f} ms"
            yield Row(f"10,000 photos, a key on {name}", shown, "50 ms", max(waits) <= 0.05)


def _seconds_until(terminal: PtyTerminal, word: bytes) -> float:
    terminal.receive_until(lambda came: word in came)
    return time.monotonic() - terminal.started


def _answer_seconds(terminal: PtyTerminal, key: bytes) -> float:
    sent = time.monotonic()
    terminal.send(key)
    terminal.receive_until(bool)
    answered = time.monotonic() - sent
    terminal.receive_until_quiet(0.2)
    return answered


MEASUREMENTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    measurement.__name__: measurement for measurement in (idle, cursor, pictures, train, first_paint, attach, day, many)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--folder", type=Path, help="Where its 2 GB of photos and events go for a while.")
    arguments = parser.parse_args()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {cores} cores, load {load:.1f} at the start")  # noqa: T201
    print(f"Python {platform.python_version()}, Textual {textual.__version__}, {platform.system()}")  # noqa: T201
    print(f"Left out: {', '.join(set(MEASUREMENTS) - set(arguments.only)) or 'nothing'}\n")  # noqa: T201
    for name in arguments.only:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            for row in MEASUREMENTS[name](write_world(Path(folder))):
                verdict = {True: "yes", False: "NO", None: ""}[row.holds]
                print(f"{row.what:44} {row.measured:32} {row.limit:10} {verdict}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
