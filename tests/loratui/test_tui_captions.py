"""Captions in the TUI: written, saved by themselves, and never lost."""

import json
import resource
from pathlib import Path

import pytest

from curation.dataset import open_dataset, save_captions
from tests.loratui.tui import NARROW, WIDE, app_on, go, screen_text, sees, wait_for, write


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLORTERM", "truecolor")


def captions(photos: Path) -> dict[str, str | None]:
    return {photo.name: photo.caption for photo in open_dataset(photos).photos}


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_caption_is_saved_when_one_goes_on_to_the_next_photo(photos: Path, size: tuple[int, int]) -> None:
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "a TOK astronaut")
        await go(pilot, "pagedown")
        assert captions(photos)["astronaut.png"] == "a TOK astronaut"
        await write(pilot, "a TOK cat, [/foo]")
        text = await go(pilot, "escape", "j")
        assert captions(photos)["cat.png"] == "a TOK cat, [/foo]"
        assert "a TOK cat" in text


async def test_a_caption_is_saved_when_one_leaves_the_screen(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "first")
        await go(pilot, "escape", "1")
        assert captions(photos)["astronaut.png"] == "first"


async def test_a_caption_is_saved_by_ctrl_s_and_when_one_rests(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "one")
        text = await go(pilot, "ctrl+s")
        assert captions(photos)["astronaut.png"] == "one"
        assert "Saved 1 caption." in text
        await write(pilot, " two")
        await wait_for(pilot, lambda: captions(photos)["astronaut.png"] == "one two")


async def test_going_back_to_the_first_wording_after_a_save_is_an_edit_too(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "x")
        await go(pilot, "ctrl+s", "backspace", "ctrl+s")
        assert captions(photos)["astronaut.png"] == ""


async def test_looking_at_captions_writes_nothing(photos: Path) -> None:
    odd = '{"file_name": "astronaut.png", "prompt": "one\\u2028two\\r\\nthree"}\n'
    (photos / "metadata.jsonl").write_text(odd)
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "j", "j", "k", "k", "e", "escape", "1", "3", "q")
    assert (photos / "metadata.jsonl").read_text() == odd


async def test_quitting_in_the_middle_of_a_word_saves_it(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "half a wo")
        await go(pilot, "escape", "q")
    assert captions(photos)["astronaut.png"] == "half a wo"


async def test_a_file_that_another_program_changed_is_not_overwritten(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "mine")
        other = {"file_name": "cat.png", "prompt": "theirs"}
        (photos / "metadata.jsonl").write_text(json.dumps(other) + "\n")
        await pilot.press("ctrl+s")
        await sees(pilot, "metadata.jsonl was changed by", "1 unsaved", "ctrl+r reads the folder again")
        assert captions(photos) == {"astronaut.png": None, "cat.png": "theirs", "coffee.png": None, "rocket.png": None}
        await go(pilot, "ctrl+r", "ctrl+s")
        assert captions(photos)["astronaut.png"] == "mine"
        assert captions(photos)["cat.png"] == "theirs"


@pytest.fixture
def sidecars(photos: Path) -> Path:
    """The photos with a caption file each, of one line a caption."""
    for name in captions(photos):
        (photos / name).with_suffix(".txt").write_text("a TOK\n")
    return photos


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_caption_that_its_file_cannot_hold_is_kept_and_the_others_are_saved(
    sidecars: Path, size: tuple[int, int]
) -> None:
    async with app_on(sidecars).run_test(notifications=True, size=size) as pilot:
        await go(pilot, "3", "e", "enter")
        await write(pilot, "wide")
        text = await go(pilot, "ctrl+s")
        assert "Not saved, but kept." in text and "Write the caption in one" in text
        assert "1 unsaved" in text or size == NARROW
        await go(pilot, "pagedown")
        await write(pilot, " cat")
        await go(pilot, "pagedown")
        assert captions(sidecars)["cat.png"] == "a TOK cat"
        assert (sidecars / "astronaut.txt").read_text() == "a TOK\n"
        await go(pilot, "pageup", "pageup", *["backspace"] * 5)
        await write(pilot, " astronaut")
        assert "Saved 1 caption." in await go(pilot, "ctrl+s")
    assert captions(sidecars)["astronaut.png"] == "a TOK astronaut"


async def test_leaving_with_a_refused_caption_asks_and_says_why_once(sidecars: Path) -> None:
    async with app_on(sidecars).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e", "enter")
        await write(pilot, "wide")
        await go(pilot, "escape", "q")
        await sees(pilot, "Leave with 1 caption kept")
        await pilot.pause(0.5)
        assert screen_text(pilot).count("holds one caption a line") == 1
        await go(pilot, "n", "1")
        await sees(pilot, "holds one caption a line")


async def test_a_caption_that_is_refused_outlives_a_program_that_is_killed(sidecars: Path) -> None:
    async with app_on(sidecars).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e", "enter")
        await write(pilot, "wide")
        await go(pilot, "ctrl+s")
        assert app_on(sidecars).project.unsaved == {"astronaut.png": "a TOK\nwide"}


async def test_captions_that_cannot_be_saved_at_the_end_come_back_the_next_time(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "mine")
        (photos / "metadata.jsonl").write_text("")
        app.hang_up()
        await pilot.pause()
    kept = app.project.keep_captions()
    assert kept is not None and kept.is_relative_to(photos)
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "3")
        assert "mine" in text and "not saved" in text
        await go(pilot, "ctrl+s")
    assert captions(photos)["astronaut.png"] == "mine"
    assert not kept.exists()


async def test_captions_that_find_no_room_on_the_disk_are_kept_in_the_editor(photos: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "x")
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # every write fails, also root's
        try:
            await pilot.press("ctrl+s")
            await sees(pilot, "Not saved")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await go(pilot, "ctrl+s")
    assert captions(photos)["astronaut.png"] == "x"


async def test_n_goes_to_the_next_photo_without_a_caption(photos: Path) -> None:
    rows = [{"file_name": name, "prompt": "a TOK"} for name in ("cat.png", "coffee.png")]
    (photos / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "3", "n")
        assert "─ rocket.png" in text


async def test_the_photo_is_shown_beside_its_caption(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "3")
        assert text.count("▀") > 500


async def test_a_file_that_is_no_photo_says_so_in_its_place(photos: Path) -> None:
    (photos / "a.jpg").write_text("not a photo")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "3")
        assert "a.jpg cannot be read" in text


async def test_editing_goes_on_where_the_caption_ends(photos: Path) -> None:
    save_captions(open_dataset(photos), {"astronaut.png": "a TOK"})
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, " astronaut")
        await go(pilot, "pagedown")
        await write(pilot, "a cat")
        await go(pilot, "pageup")
        await write(pilot, "!")
        await go(pilot, "escape", "1")
        assert captions(photos)["astronaut.png"] == "a TOK astronaut!"
