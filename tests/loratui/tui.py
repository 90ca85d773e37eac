"""The TUI as its users see it: the text on the screen, and waiting for what runs in the background."""

import html
import re
from collections.abc import Callable
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets._toast import Toast  # there is no public way to it

from loratui.app import LoratuiApp
from loratui.keys_in_order import KeysInOrder
from loratui.project import Project
from loratui.screens.step import StepScreen

WIDE, NARROW = (120, 40), (80, 24)
CELL_WIDTH = 12.2  # of Rich's SVG export, in its own units


def app_on(photos: Path | None, runs_dir: Path = Path("runs")) -> LoratuiApp:
    """The app as `loratui --photos PHOTOS --runs-dir RUNS_DIR` starts it."""
    project = Project(runs_dir)
    if photos:
        project.open(photos)
    return LoratuiApp(project)


async def go(pilot: Pilot, *keys: str) -> str:
    """Press keys, wait until the work they set off is done, and return the text on the screen."""
    await pilot.press(*keys)
    await wait_for(pilot, lambda: not _is_at_work(pilot.app))
    await pilot.pause()
    return screen_text(pilot)


def _is_at_work(app: App) -> bool:
    """Whether a message waits for its turn, or work goes on in the background.

    Textual's own `pause` takes a process that gets no processor for an idle one, and `wait_for_complete` fails when a
    worker is replaced by a newer one meanwhile.
    """
    if isinstance(app, KeysInOrder) and app.has_keys_waiting:
        return True
    if isinstance(app.screen, StepScreen) and app.screen.jobs:
        return True
    queues = (app, *app.screen.walk_children(with_self=True))
    return any(each.message_queue_size for each in queues) or any(not worker.is_finished for worker in app.workers)


async def write(pilot: Pilot, text: str) -> None:
    """Type text, character by character."""
    await pilot.press(*("space" if character == " " else character for character in text))
    await pilot.pause()


async def wait_for(pilot: Pilot, condition: Callable[[], bool]) -> None:
    """Let the app go on until `condition` holds; fail when it does not in good time."""
    for _ in range(1200):
        if condition():
            return
        await pilot.pause(0.1)
    raise AssertionError(f"waited in vain; the screen shows:\n{screen_text(pilot)}")


async def sees(pilot: Pilot, *words: str) -> None:
    """Wait until each of these stands on the screen or, however its lines wrap, in a notification."""
    await wait_for(pilot, lambda: all(word in screen_text(pilot) or word in notified(pilot) for word in words))


def notified(pilot: Pilot) -> str:
    """What one can read in the notifications on the screen, each as one line."""
    lines = screen_text(pilot).splitlines()
    regions = [toast.region for toast in pilot.app.screen.query(Toast)]
    return "\n".join(
        " ".join(line[box.x + 1 : box.right].strip() for line in lines[box.y : box.bottom]) for box in regions
    )


def screen_text(pilot: Pilot) -> str:
    """What stands on the screen, line by line; parts of a line at their columns."""
    lines: dict[float, str] = {}
    svg = pilot.app.export_screenshot()
    parts = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)" textLength[^>]*>([^<]*)</text>', svg)
    for x, y, text in parts:
        line = lines.get(float(y), "")
        lines[float(y)] = line.ljust(round(float(x) / CELL_WIDTH)) + html.unescape(text).replace("\xa0", " ").rstrip(
            "\n"
        )
    return "\n".join(lines[y] for y in sorted(lines))
