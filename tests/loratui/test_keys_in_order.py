"""Keys that arrive in one packet, as after a line that stalled."""

from pathlib import Path

import pytest
from textual import events
from textual.app import App

from curation.dataset import open_dataset
from tests.loratui.tui import NARROW, app_on, go, sees


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def arrive_together(app: App[None], text: str, pasted: str = "") -> None:
    """Each character as a key, before any of them is seen to, and then what was pasted."""
    for character in text:
        key = {"\r": "enter", " ": "space", "\x1b": "escape"}.get(character, character)
        app.post_message(events.Key(key, character if character.isprintable() else None))
    if pasted:
        app.post_message(events.Paste(pasted))


async def test_keys_act_on_the_screen_that_the_ones_before_them_brought(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        arrive_together(app, "3e", "TOK in a suit, ")
        arrive_together(app, "xaRn, 12\x1b")
        await sees(pilot, "TOK in a suit, xaRn, 12")
        await go(pilot, "1")
        on_disk = open_dataset(photos)
        assert on_disk.photos[0].caption == "TOK in a suit, xaRn, 12"
        assert len(on_disk.trainable) == 4


async def test_what_a_dialog_asks_is_answered_by_what_follows_and_no_more(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        arrive_together(app, "?\x1b4")
        await sees(pilot, "Plan")
        assert app.current_mode == "recipe"
