"""A monkey at keyboard and mouse: whatever it does, the program goes on, and no caption that it typed is lost."""

import json
import random
from pathlib import Path

import pytest
from textual.pilot import OutOfBounds, Pilot
from textual.widgets import Input

from curation.dataset import open_dataset
from engine.launcher import wait
from engine.rundir import list_runs
from loratui.app import LoratuiApp
from loratui.screens.captions import CaptionsScreen
from loratui.widgets.caption_area import CaptionArea
from tests.loratui.made_runs import made_run, rehearsed, started, step
from tests.loratui.tui import NARROW, WIDE, app_on, wait_for

SEEDS = range(10)
EVENTS = 500  # of each seed: 5,000 in all
SCREENS = "01234563333333"  # captions most of all
MOVES = ["up", "down", "left", "right", "pageup", "pagedown", "home", "end", "tab", "shift+tab", "enter", "escape"]
LETTERS = [*"abcdefghijklmnoprstuvwxyzABCDFGHIJKLMNOPQRSTUVWXYZ", "space", "comma", "backspace", "delete", "enter"]
OTHERS = [
    "slash",
    "question_mark",
    "plus",
    "minus",
    "full_stop",
    "ctrl+p",
    "ctrl+s",
    "ctrl+r",
    "ctrl+l",
    "ctrl+u",
    "f1",
]
STRANGE = ["\u65e5", "\u672c", "\u00e9", "[", "]", "\U0001f469"]


def next_key(chance: random.Random, app: LoratuiApp) -> str:
    """Any key but those that leave, that open an editor, or that begin a path outside the test's folder."""
    if isinstance(app.focused, CaptionArea):
        kinds = [LETTERS] * 6 + [STRANGE, MOVES, OTHERS]
    elif isinstance(app.focused, Input):
        kinds = [LETTERS, MOVES]
    else:
        kinds = [list(SCREENS), LETTERS, MOVES, MOVES, OTHERS, ["e"]]
    return chance.choice(chance.choice(kinds))


async def one_event(pilot: Pilot, app: LoratuiApp, chance: random.Random, size: tuple[int, int]) -> str:
    place = chance.randrange(size[0]), chance.randrange(size[1])
    if chance.random() < 0.8:
        key = next_key(chance, app)
        await pilot.press(key)
        return key
    try:
        if chance.random() < 0.5:
            await pilot.click(offset=place, times=chance.choice([1, 1, 2]))
        else:
            await pilot.hover(offset=place)
    except OutOfBounds:
        return "nothing"
    return f"mouse at {place}"


def captions_of(app: LoratuiApp) -> dict[str, str]:
    """What the program holds: on disk as it read it, and typed."""
    dataset = app.project.dataset
    read = {photo.name: photo.caption or "" for photo in dataset.photos} if dataset else {}
    return {**read, **app.project.unsaved}


def must_hold_what_is_typed(app: LoratuiApp, events: list[str]) -> None:
    """What stands in the editor is what the program holds for that photo."""
    screen = app.screen
    if isinstance(screen, CaptionsScreen) and screen.is_mounted and isinstance(app.focused, CaptionArea):
        name = screen.name_in_editor
        if name is not None:
            assert app.focused.text == captions_of(app)[name], events[-20:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_five_hundred_random_events_neither_end_the_program_nor_lose_a_caption(
    seed: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("EDITOR", "true")
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": "cat.png", "prompt": "[/foo] [red] TOK"}) + "\n")
    made_run(Path("runs"), "before", "finished", [started("before"), rehearsed(1.0), *map(step, range(1, 200))])
    chance, size = random.Random(seed), NARROW if seed % 2 else WIDE
    events: list[str] = []
    while len(events) < EVENTS:  # the monkey may find the way out
        app = await one_evening(photos, chance, size, events)
        if app.project.dataset:  # by then it may be a mended copy
            held, on_disk = captions_of(app), open_dataset(app.project.dataset.root)
            assert held == {photo.name: photo.caption or "" for photo in on_disk.photos}, events[-20:]
    for run in list_runs(Path("runs")):
        if run.is_alive():
            run.request("stop_now")
            wait(run)


async def one_evening(photos: Path, chance: random.Random, size: tuple[int, int], events: list[str]) -> LoratuiApp:
    """Random events until the program is left, or there were enough; returns it as it was then."""
    app = app_on(photos)
    async with app.run_test(size=size, notifications=True) as pilot:
        while len(events) < EVENTS and app.is_running:
            events.append(await one_event(pilot, app, chance, size))
            must_hold_what_is_typed(app, events)
        if app.is_running:
            while len(app.screen_stack) > 1:
                app.pop_screen()
            await pilot.pause()
            await app.action_quit()
            await wait_for(pilot, lambda: not app.is_running or not app.project.unsaved)
    return app
