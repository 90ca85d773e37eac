"""Captions in the TUI: written, saved by themselves, and never lost."""

import json
import random
import re
import resource
from collections.abc import Mapping
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from curation.dataset import Photo, open_dataset, save_captions
from loratui.captions.caption_states import STATES, CaptionReader, State
from loratui.recipe import INSTANCE_PROMPT, Recipe
from loratui.screens.captions import CaptionsScreen
from loratui.widgets.caption_area import CaptionArea
from loratui.widgets.row_list import RowList
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


async def test_captions_are_done_once_each_photo_has_one_and_open_as_long_as_the_instance_prompt_does(
    photos: Path,
) -> None:
    names = list(captions(photos))
    app = app_on(photos)
    async with app.run_test(size=WIDE) as pilot:
        assert "3 Captions · 0/4" in await go(pilot, "1")
        app.project.choose(INSTANCE_PROMPT, "")
        assert "3 Captions ! 0/4" in await go(pilot, "2", "1")
        app.project.unsaved.update({name: "a TOK" for name in names})
        app.project.save_captions()
        assert "3 Captions ✓ 4/4" in await go(pilot, "2", "1")


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
        await sees(pilot, "astronaut.txt holds one")


async def test_a_caption_that_is_refused_outlives_a_program_that_is_killed(sidecars: Path) -> None:
    async with app_on(sidecars).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e", "enter")
        await write(pilot, "wide")
        await go(pilot, "ctrl+s")
        assert app_on(sidecars).project.unsaved == {"astronaut.png": "a TOK\nwide"}


async def test_captions_that_cannot_be_saved_at_the_end_come_back_the_next_time(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loratui.app._leave_within", lambda seconds: None)  # it would end the tests' own process
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


async def test_captions_of_a_folder_that_takes_nothing_come_back_the_next_time(photos: Path) -> None:
    (photos / ".loratui").write_text("")  # stands where the journal and all that is ours would lie
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "mine")
        await go(pilot, "escape", "q")
        await sees(pilot, "cannot be used", "Leave with 1 caption kept")
        await pilot.press("y")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "3")
        assert "mine" in text and "not saved" in text
        (photos / ".loratui").unlink()
        await go(pilot, "ctrl+s")
    assert captions(photos)["astronaut.png"] == "mine"
    assert app_on(photos).project.unsaved == {}


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
        assert "│ rocket.png" in text


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


KEYS = ["a", "b", ",", "space", "backspace", "enter", "pagedown", "pageup", "ctrl+s", "ctrl+z", "ctrl+y", "home", "end"]
STEPS = [*([key] for key in KEYS), ["escape", "u", "e"], ["escape", "U", "e"], ["escape", "n", "e"], ["ctrl+r"]]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_one_types_moves_and_undoes_what_one_last_saw_is_on_the_disk(photos: Path, seed: int) -> None:
    choose = random.Random(seed)
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        screen = pilot.app.screen
        assert isinstance(screen, CaptionsScreen)
        seen = dict.fromkeys(captions(photos), "")
        for _ in range(60):
            step = choose.choice(STEPS)
            if "u" in step or "U" in step:
                await go(pilot, *step)
                seen = {name: screen.caption(name) for name in seen}  # as the list shows them
            else:
                await pilot.press(*step)
                assert screen.name_in_editor is not None
                seen[screen.name_in_editor] = screen.area.text
        await go(pilot, "escape", "q")
    assert {name: caption or "" for name, caption in captions(photos).items()} == seen


# Many captions at once


@pytest.fixture
def captioned(photos: Path) -> Path:
    """The photos with captions, of which one has no trigger word and one is missing."""
    texts = {"astronaut.png": "a TOK woman, orange suit", "cat.png": "a cat, [red] sofa", "coffee.png": "TOK, red cup"}
    save_captions(open_dataset(photos), texts)
    return photos


def listed(pilot: Pilot) -> list[str]:
    """The photos that the list shows."""
    return list(pilot.app.screen.query_one("#captions", RowList).keys)


async def test_u_takes_back_what_was_typed_and_U_makes_it_again(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "a TOK astronaut")
        text = await go(pilot, "escape", "u")
        assert "Took back: Caption astronaut.png." in text
        assert captions(photos)["astronaut.png"] is None
        assert "a TOK astronaut" not in text
        text = await go(pilot, "U")
        assert "Made again: Caption astronaut.png." in text
        assert captions(photos)["astronaut.png"] == "a TOK astronaut"
        assert text.count("a TOK astronaut") == 2  # in the list, and in the editor


async def test_there_is_nothing_to_undo_in_a_folder_where_nothing_was_written(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "u")
        await sees(pilot, "There is nothing to undo")


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_batch_edit_shows_what_it_would_change_and_is_one_step_of_the_journal(
    captioned: Path, size: tuple[int, int]
) -> None:
    before = captions(captioned)
    async with app_on(captioned).run_test(notifications=True, size=size) as pilot:
        await go(pilot, "3", "b", "enter")
        await write(pilot, "TOK")
        await go(pilot, "enter")
        await write(pilot, "SKS")
        await sees(pilot, "2 captions would change:", "- a TOK woman", "+ a SKS woman")
        assert captions(captioned) == before
        text = await go(pilot, "tab", "tab", "tab", "tab", "enter")
        assert "Replace in 2 captions. u takes it back." in text
        assert captions(captioned)["astronaut.png"] == "a SKS woman, orange suit"
        assert captions(captioned)["coffee.png"] == "SKS, red cup"
        assert "Took back: Replace in 2 captions." in await go(pilot, "u")
        assert captions(captioned) == before


async def test_a_batch_edit_that_is_left_changes_nothing(captioned: Path) -> None:
    before = captions(captioned)
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "b", "enter")
        await write(pilot, "TOK")
        await go(pilot, "escape")
    assert captions(captioned) == before


async def test_an_expression_that_is_not_valid_is_told_as_it_is_typed(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "b", "j", "enter")
        await write(pilot, "(a")
        await sees(pilot, 'The expression "(a" is not valid')
        assert pilot.app.screen.query_one("#apply").disabled


async def test_an_expression_that_would_be_tried_for_ever_is_given_up_and_keys_are_heard(captioned: Path) -> None:
    (captioned / "metadata.jsonl").write_text(json.dumps({"file_name": "cat.png", "prompt": "a" * 60 + "!"}) + "\n")
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "b", "j", "enter")
        await write(pilot, "(a+)+$")
        await sees(pilot, "The expression takes too long")
        assert pilot.app.screen.query_one("#apply").disabled
        await go(pilot, "backspace")
        await sees(pilot, "1 caption would change:")


async def test_a_batch_edit_sees_what_was_typed_and_is_for_the_marked_photos_first(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, " waving")
        await go(pilot, "escape", "space", "b", *["j"] * 3, "enter")
        await write(pilot, "!")
        await sees(pilot, "1 photo, marked", "1 caption would change:", "waving!")
        await go(pilot, "tab", "tab", "tab", "tab", "enter")
    assert captions(captioned)["astronaut.png"] == "a TOK woman, orange suit waving!"
    assert captions(captioned)["cat.png"] == "a cat, [red] sofa"


async def test_the_list_is_filtered_by_text_and_esc_shows_all_again(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "3", "slash")
        await write(pilot, "RED")
        text = await go(pilot, "enter")
        assert listed(pilot) == ["cat.png", "coffee.png"] and "2 of 4 photos" in text
        await go(pilot, "escape")
        assert len(listed(pilot)) == 4


async def test_f_goes_through_the_states_of_captions(captioned: Path) -> None:
    save_captions(open_dataset(captioned), {"coffee.png": "TOK " + "very " * 90})
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3")
        shown = {}
        for _ in STATES:
            text = await go(pilot, "f")
            shown[next(state for state in STATES if f"photos: {state}" in text)] = listed(pilot)
        assert shown["without"] == ["rocket.png"]
        assert shown["too long"] == ["coffee.png"]
        assert shown["no trigger"] == ["cat.png"]
        assert shown["left out"] == shown["not saved"] == []


async def test_a_photo_whose_caption_is_written_stays_in_the_list_whatever_the_filter(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", *["f"] * 3)
        assert listed(pilot) == ["rocket.png"]
        await go(pilot, "e")
        await write(pilot, "a TOK rocket")
        await go(pilot, "ctrl+s", "ctrl+r")
        await write(pilot, ", at night")
        await go(pilot, "escape", "1")
    assert captions(captioned)["rocket.png"] == "a TOK rocket, at night"


@pytest.mark.parametrize("size", [NARROW, (180, 50)])
async def test_tags_are_counted_and_one_that_is_picked_filters_the_list(captioned: Path, size: tuple[int, int]) -> None:
    save_captions(open_dataset(captioned), {"rocket.png": "TOK, night"})
    async with app_on(captioned).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "3", "t")
        assert re.search(r"2 +TOK", text) and "[red] sofa" in text
        await go(pilot, "enter")
        assert listed(pilot) == ["coffee.png", "rocket.png"]
        await go(pilot, "escape", "t", "w", "slash")
        await write(pilot, "red")
        await go(pilot, "enter", "enter")
        assert listed(pilot) == ["cat.png", "coffee.png"]


async def test_tokens_are_counted_as_one_types_and_words_say_what_is_cut_off(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        assert "7/75 tokens" in await go(pilot, "3")  # the trigger word is two
        await go(pilot, "e", *["x", "space"] * 70)
        assert "cut off" in screen_text(pilot)
        assert "lacks the trigger word TOK" in await go(pilot, "pagedown")


async def test_with_chunks_the_count_says_in_how_many_a_caption_is_read(captioned: Path) -> None:
    save_captions(open_dataset(captioned), {"astronaut.png": "TOK " + "very " * 90})
    app = app_on(captioned)
    app.project.recipe = Recipe({"text_encoder": {"chunk_captions": True}})
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        assert "92 tokens in 2 chunks of 75" in await go(pilot, "3")


async def test_the_trigger_word_stands_out_in_the_list_and_in_the_editor(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3")
        for strip in (
            pilot.app.screen.query_one(CaptionArea).render_line(0),
            pilot.app.screen.query_one("#captions", RowList).render_line(1),
        ):
            underlined = [s.text.strip() for s in strip if s.style and s.style.underline]
            assert underlined == ["TOK"]


async def test_captions_of_photos_that_are_gone_are_put_aside(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        await write(pilot, "mine")
        (photos / "astronaut.png").unlink()
        await go(pilot, "ctrl+r")
        await sees(pilot, "Their captions are kept")
    assert "mine" in (photos / ".loratui" / "captions-of-missing-photos.json").read_text()


async def test_keys_that_come_in_one_burst_go_to_the_captions_they_were_meant_for(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "e")
        for key, character in (("a", "a"), ("b", "b"), ("pagedown", None), ("c", "c"), ("d", "d")):
            pilot.app.post_message(events.Key(key, character))
        await sees(pilot, " cd")
        await go(pilot, "escape", "1")
    assert [captions(photos)[name] for name in ("astronaut.png", "cat.png")] == ["ab", "cd"]


async def test_an_editor_that_is_not_there_is_told(captioned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "/nowhere/edit")
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "E")
        await sees(pilot, "The editor /nowhere/edit is not there.")


async def test_a_caption_is_copied(captioned: Path) -> None:
    async with app_on(captioned).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "y")
        assert pilot.app.clipboard == "a TOK woman, orange suit"


async def test_of_ten_thousand_photos_only_what_is_in_sight_is_looked_at_for_a_key(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10_000):
        (photos / f"z{number:05d}.png").touch()
    app = app_on(photos)
    looked_at: list[str] = []
    state = CaptionReader.state

    def note(reader: CaptionReader, photo: Photo, unsaved: Mapping[str, str]) -> State:
        looked_at.append(photo.name)
        return state(reader, photo, unsaved)

    monkeypatch.setattr(CaptionReader, "state", note)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3")
        assert len(set(looked_at)) < 50
        looked_at.clear()
        await go(pilot, "j")
        assert len(looked_at) <= 4
        await go(pilot, "e")
        looked_at.clear()
        await write(pilot, "a TOK")
        assert len(looked_at) <= 2
        await go(pilot, "ctrl+s")
        assert "Saved 1 caption." in screen_text(pilot)
    assert captions(photos)["cat.png"] == "a TOK"


async def test_without_a_folder_it_says_what_to_do_and_no_key_does_harm() -> None:
    app = app_on(None)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await app.switch_mode("captions")
        await sees(pilot, "No photos are open")
        await go(pilot, *["e", "n", "b", "a", "f", "t", "u", "U", "y", "E", "r"], "space", "pagedown", "x")
        assert app.project.unsaved == {}
