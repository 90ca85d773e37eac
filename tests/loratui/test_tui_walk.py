"""The road in the TUI, walked with the keyboard: strip, help, palette, footer, quitting, and what stays unimported."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from textual.binding import Binding

from curation.dataset import exclude, open_dataset, save_captions
from loratui.widgets.key_footer import KeyFooter
from loratui.widgets.row_list import RowList
from loratui.widgets.step_strip import STEPS
from tests.loratui.program import wait_until
from tests.loratui.tui import NARROW, WIDE, app_on, go, sees

HOSTILE = ("[/foo]", "[red]", "\x1b[31mred\x1b]0;owned\x07", "日本語の写真", "👩‍👩‍👧 family", "\u202egnp")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lora.toml and runs belong to the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_number_keys_walk_the_road_and_every_screen_fits(photos: Path, size: tuple[int, int]) -> None:
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        for number, title in enumerate(STEPS.values(), start=1):
            text = await go(pilot, str(number))
            assert f" {number} {title} " in text.splitlines()[0]
            assert len(text.splitlines()) == size[1]
            assert pilot.app.screen.max_scroll_y == 0
            footer = pilot.app.screen.query_one(KeyFooter)
            assert 3 <= len(footer.keys) <= 8
            assert all(title in text.splitlines()[-1] for _, _, title in footer.keys)


async def test_without_photos_the_first_screen_asks_for_their_folder(photos: Path) -> None:
    async with app_on(None).run_test(notifications=True, size=NARROW) as pilot:
        assert pilot.app.focused is not None and pilot.app.focused.id == "folder"
        await pilot.press(*str(photos))
        await pilot.press("enter")
        await sees(pilot, "astronaut.png", "512 x 512", "4 to train on, 0 left out")


async def test_every_screen_comes_up_without_photos() -> None:
    async with app_on(None).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "escape")
        for key in "0123456L":
            await go(pilot, "escape")
            await go(pilot, key)
        assert pilot.app.current_mode == "log"


async def test_a_folder_that_is_not_there_is_told_in_two_sentences() -> None:
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press(*"/nowhere")
        await pilot.press("enter")
        await sees(pilot, "There is no folder /nowhere.", "Check the path to the photos.")


@pytest.mark.parametrize(
    ("typed", "said"), [("~nobody-here/photos", "There is no folder"), ("a" * 300, "Check the path to the photos.")]
)
async def test_a_path_that_cannot_be_one_is_told_too(typed: str, said: str) -> None:
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press(*typed)
        await pilot.press("enter")
        await sees(pilot, said)


@pytest.mark.parametrize("damaged", ['{"captions": ["a cat"]}', '{"captions": {"cat.png": 1}}', "[]", "{"])
async def test_damaged_kept_captions_do_not_keep_a_folder_from_opening(photos: Path, damaged: str) -> None:
    (photos / ".loratui").mkdir()
    (photos / ".loratui" / "unsaved-captions.json").write_text(damaged)
    assert app_on(photos).project.unsaved == {}


async def test_question_mark_lists_the_keys_of_the_screen(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3")
        text = await go(pilot, "question_mark")
        assert "Captions" in text and "Next photo" in text
        text = await go(pilot, "end")
        assert "Everywhere" in text and "Leave; what was typed is kept, and a run goes on" in text
        text = await go(pilot, "escape")
        assert "Everywhere" not in text


async def test_every_key_has_its_action(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        for key in "0123456L":
            await go(pilot, key)
            screen = pilot.app.screen
            for node in {screen, pilot.app, *screen.query("*")}:
                for binding in vars(type(node)).get("BINDINGS", []):
                    name = binding.action.partition("(")[0] if isinstance(binding, Binding) else ""
                    *where, name = name.split(".")
                    owner = {"app": pilot.app, "screen": screen}.get("".join(where), node)
                    assert hasattr(owner, f"action_{name}") or not name, name


async def test_the_palette_offers_the_actions_of_the_screen(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4")
        await go(pilot, "ctrl+p")
        await pilot.press(*"write")
        await pilot.pause(0.5)
        await go(pilot, "enter")
        await pilot.pause(0.2)
    assert Path("lora.toml").exists()


async def test_a_photo_can_be_left_out_and_taken_back(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "x")
        assert "left out by hand" in text
        assert [photo.name for photo in open_dataset(photos).trainable] == ["cat.png", "coffee.png", "rocket.png"]
        await go(pilot, "x")
        assert len(open_dataset(photos).trainable) == 4


@pytest.fixture
def hostile_photos(tmp_path: Path) -> Iterator[Path]:
    """Photos whose names and captions look like markup, move the cursor, or are wider than they seem."""
    folder = tmp_path / "hostile [red]"
    folder.mkdir()
    picture = Image.fromarray(data.cat())
    for number, words in enumerate(HOSTILE):
        picture.save(folder / f"{number} {words.replace('/', '')}.png")
    dataset = open_dataset(folder)
    captions = {photo.name: words for photo, words in zip(dataset.photos, HOSTILE, strict=True)}
    dataset = save_captions(dataset, captions)
    exclude(dataset, {dataset.photos[1].name: "[/reason]\x1b[2J"})
    yield folder
    shutil.rmtree(folder)


async def test_hostile_text_is_shown_not_obeyed(hostile_photos: Path) -> None:
    async with app_on(hostile_photos).run_test(notifications=True, size=WIDE) as pilot:
        seen = ""
        for key in "0123456L":
            seen += await go(pilot, key)
            rows = next(iter(pilot.app.screen.query(RowList)), None)
            for _ in range(min(len(rows.keys), len(HOSTILE)) if rows else 0):
                seen += await go(pilot, "j")
        assert "\x1b" not in seen and "\x07" not in seen and "\u202e" not in seen
        for words in ("[/foo]", "[red]", "日本語の写真", "family", "\\x1b[31mred"):
            assert words in seen


async def test_quitting_leaves_the_program(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


def test_the_first_screen_imports_nothing_heavy(photos: Path) -> None:
    program = """
import asyncio, json, sys
from pathlib import Path
from tests.loratui.tui import app_on
async def show():
    async with app_on(Path(sys.argv[1])).run_test(notifications=True, size=(80, 24)) as pilot:
        await pilot.pause()
asyncio.run(show())
heavy = {"torch", "diffusers", "transformers", "peft", "cv2", "skimage", "scipy"}
print(json.dumps(sorted(heavy & set(sys.modules))))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(photos)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_closing_the_terminal_saves_what_was_typed(photos: Path, tmp_path: Path) -> None:
    def tmux(*words: str) -> str:
        done = subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), *words], capture_output=True, text=True)
        return done.stdout

    def shows(words: str) -> bool:
        return words in tmux("capture-pane", "-p", "-t", "tui")

    command = f"cd {tmp_path}; PYTHONPATH={Path(__file__).parents[2]} {sys.executable} -m loratui --photos {photos}"
    tmux("new-session", "-d", "-x", "80", "-y", "24", "-s", "tui", command)
    try:
        wait_until(lambda: shows("astronaut.png"), "the first screen")
        tmux("send-keys", "-t", "tui", "3")
        wait_until(lambda: shows("Caption"), "the captions")
        tmux("send-keys", "-t", "tui", "e")
        wait_until(lambda: shows("Leave field"), "the editor")
        tmux("send-keys", "-l", "-t", "tui", "a TOK astronaut")
        wait_until(lambda: shows("a TOK astronaut"), "the caption")
    finally:
        tmux("kill-server")
    wait_until(lambda: (photos / "metadata.jsonl").exists(), "the caption on disk")
    assert open_dataset(photos).photos[0].caption == "a TOK astronaut"
