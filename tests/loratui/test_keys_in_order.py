"""Keys that arrive in one packet, as after a line that stalled."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.app import App

from benchmarks.tui_terminal import PtyTerminal
from curation.dataset import open_dataset
from loratui.terminal.escaped_keys import EscapedKey, EscapedKeyParser
from loratui.widgets.caption_area import CaptionArea
from tests.loratui.tui import NARROW, app_on, go, sees, write

ROOT = Path(__file__).parents[2]


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


# Escape and a key, which are the same bytes as alt and that key


def packet(app: App[None], bytes_sent: str) -> None:
    """What a terminal sends at once."""
    parser = EscapedKeyParser()
    for event in [*parser.feed(bytes_sent), *parser.feed("")]:
        app.post_message(event)


@pytest.mark.parametrize(
    ("bytes_sent", "seen"), [("\x1b4", "Plan"), ("\x1b?", "esc closes"), ("\x1bb", "Edit many captions")]
)
async def test_a_key_right_behind_escape_acts(photos: Path, bytes_sent: str, seen: str) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        await go(pilot, "3")
        packet(app, bytes_sent)
        await sees(pilot, seen)


async def test_escape_leaves_the_text_and_a_digit_goes_to_its_screen(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "a TOK astronaut")
        packet(app, "\x1b4")
        await sees(pilot, "Plan")
    assert open_dataset(photos).photos[0].caption == "a TOK astronaut"


async def test_alt_b_and_alt_f_move_by_a_word_in_a_text(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "two words")
        area = app.screen.query_one(CaptionArea)
        packet(app, "\x1bb")
        await go(pilot)
        assert area.has_focus and area.cursor_location == (0, len("two "))
        packet(app, "\x1bf")
        await go(pilot)
        assert area.has_focus and area.cursor_location == (0, len("two words"))


@given(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="[O]P_^XN\\"))
def test_of_escape_and_any_character_both_are_known(character: str) -> None:
    (key,) = EscapedKeyParser().feed(f"\x1b{character}")
    assert isinstance(key, EscapedKey) and key.after.character == character


@pytest.mark.parametrize(
    ("bytes_sent", "keys"),
    [
        ("\x1b[A", ["up"]),
        ("\x1bOP", ["f1"]),
        ("\x1b[1;5D", ["ctrl+left"]),
        ("\x1b\x1b[A", ["escape", "up"]),
        ("\x1b\t", ["shift+tab"]),
        ("\x1b\x7f", ["ctrl+w"]),
    ],
)
def test_longer_sequences_are_the_keys_they_were(bytes_sent: str, keys: list[str]) -> None:
    parsed = EscapedKeyParser().feed(bytes_sent)
    assert [event.key for event in parsed if isinstance(event, events.Key)] == keys


@pytest.mark.slow
def test_in_a_terminal_escape_and_a_key_in_one_packet_are_two_keys(photos: Path) -> None:
    command = [sys.executable, "-m", "loratui", "--photos", str(photos)]
    with PtyTerminal(command, NARROW, environ={"PYTHONPATH": str(ROOT)}, cwd=Path.cwd()) as screen:
        screen.receive_until(lambda sent: b"astronaut.png" in sent, 120)
        screen.receive_until_quiet(1.5)
        screen.send(b"3/cat")
        screen.receive_until_quiet(1.5)
        screen.send(b"\x1b4")
        screen.receive_until(lambda sent: b"Plan" in sent)
