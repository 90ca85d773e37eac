"""The Photos screen by keys and mouse: what is there, which photos train, what they show, how they are cropped."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from textual.pilot import Pilot
from textual.widgets import Input

from curation.dataset import exclude, open_dataset, place_crops, save_captions
from curation.journal import history
from loratui.photos.concept import TEMPLATE_FILE
from loratui.recipe import KIND, Setting
from loratui.screens.concept import ConceptPanel
from loratui.screens.crop import CropScreen
from loratui.screens.photos import PhotosScreen
from loratui.widgets.gallery import Gallery
from loratui.widgets.picture import PictureView
from loratui.widgets.row_list import RowList
from tests.loratui.tui import NARROW, WIDE, app_on, go, notified, screen_text, sees, wait_for, write

HUGE = (180, 50)
SIZES = (NARROW, WIDE, HUGE)
HOSTILE = ("[/foo]", "[red]", "\x1b[31mred\x1b]0;owned\x07", "日本語の写真", "👩‍👩‍👧 family", "\u202egnp")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lora.toml and runs belong to the current folder."""
    monkeypatch.chdir(tmp_path)


def trained(photos: Path) -> list[str]:
    return [photo.name for photo in open_dataset(photos).trainable]


def focus_of(photos: Path, name: str) -> tuple[float, float] | None:
    return next(photo.focus for photo in open_dataset(photos).photos if photo.name == name)


def concept(pilot: Pilot) -> dict[str, str | None]:
    section = pilot.app.project.recipe.compose().config.concept  # pyright: ignore[reportAttributeAccessIssue]
    return {"trigger": section.token_abstraction[0], "prompt": section.instance_prompt, "kind": section.kind}


# What is there


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_there_is_told_in_numbers(photos: Path, size: tuple[int, int]) -> None:
    Image.fromarray(data.cat()).resize((2048, 1536)).save(photos / "large.jpg")
    (photos / "broken.png").write_text("no picture")
    exclude(open_dataset(photos), {"rocket.png": "not it"})
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot)
        assert "5 to train on, 1 left out" in text
        assert "451 x 300 to 2048 x 1536" in text and "3 below" in text
        assert "PNG 3, JPEG 1" in text
        if size != NARROW:
            assert "1 unreadable" in text and "median" in text and "4 of 1024 x 1024" in text


async def test_without_a_folder_its_path_is_asked_for_and_opens_it(photos: Path) -> None:
    async with app_on(None).run_test(notifications=True, size=NARROW) as pilot:
        assert pilot.app.focused is not None and pilot.app.focused.id == "folder"
        await write(pilot, str(photos))
        await go(pilot, "enter")
        await sees(pilot, "astronaut.png", "512 x 512", "4 to train on, 0 left out")
        assert isinstance(pilot.app.focused, RowList)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_without_a_folder_the_screen_says_how_to_open_one(size: tuple[int, int]) -> None:
    async with app_on(None).run_test(size=size) as pilot:
        text = await go(pilot, "escape")
        assert "No photos are open." in text and "o: type the path of a folder; 0: the last ones" in text


async def test_the_path_of_a_folder_is_completed_by_the_right_arrow(photos: Path) -> None:
    async with app_on(None).run_test(notifications=True, size=WIDE) as pilot:
        await write(pilot, "pho")  # the current folder holds it
        await sees(pilot, f"{photos.name}/")
        await go(pilot, "right", "enter")
        assert "4 to train on" in screen_text(pilot)


@pytest.mark.parametrize("typed", ["/nowhere", "~nobody-here/photos", "a" * 300, "[/foo]"])
async def test_a_path_that_is_no_folder_of_photos_is_told_and_changes_nothing(photos: Path, typed: str) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "o")
        pilot.app.screen.query_one("#folder", Input).value = typed
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Check the path" in screen_text(pilot))
        assert "4 to train on" in screen_text(pilot)


async def test_shots_are_counted_from_what_the_checks_measured(photos: Path) -> None:
    from curation.lint import lint

    lint(open_dataset(photos), "person")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot)
        assert "told by the checks" in text or "large" in text or "small" in text or "medium" in text
        pilot.app.project.recipe.choose(KIND, "person")  # pyright: ignore[reportAttributeAccessIssue]
        pilot.app.screen.query_one("#concept").post_message(ConceptPanel.Changed())
        await sees(pilot, "no face")


async def test_the_folder_is_read_again_with_what_came_and_went(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot)
        (photos / "cat.png").unlink()
        Image.new("RGB", (700, 600), "red").save(photos / "new.webp")
        text = await go(pilot, "r")
        assert "new.webp" in text and "700 x 600" in text and "cat.png" not in text
        assert "WEBP 1" in text


# The list and the pictures


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_same_photos_as_small_pictures_with_the_cursor_on_the_same_one(
    photos: Path, size: tuple[int, int]
) -> None:
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        await go(pilot, "j", "j")
        text = await go(pilot, "v")
        gallery = pilot.app.screen.query_one(Gallery)
        assert gallery.display and gallery.key == "coffee.png"
        assert "coffee.png" in text and not pilot.app.screen.query_one(RowList).display
        await go(pilot, "h")
        await go(pilot, "v")
        rows = pilot.app.screen.query_one(RowList)
        assert rows.display and rows.key == "cat.png" and rows.has_focus


async def test_a_filter_takes_words_of_names_and_of_states(photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "TOK asleep"})
    exclude(open_dataset(photos), {"rocket.png": "not it"})
    place_crops(open_dataset(photos), {"coffee.png": (0.2, 0.5)})
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot)
        rows = pilot.app.screen.query_one(RowList)
        for words, names in {
            "left-out": ["rocket.png"],
            "placed": ["coffee.png"],
            "uncaptioned o": ["astronaut.png", "coffee.png", "rocket.png"],
            "SMALL png r": ["astronaut.png", "rocket.png"],
            "no such": [],
        }.items():
            await go(pilot, "slash")
            pilot.app.screen.query_one("#filter", Input).value = ""
            await write(pilot, words)
            await go(pilot, "enter")
            assert list(rows.keys) == names
        assert "0 of 4 shown" in screen_text(pilot)
        await go(pilot, "escape")
        assert len(rows.keys) == 4


async def test_a_name_filter_finds_that_photo_alone(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "slash", *"rock", "enter")
        rows = pilot.app.screen.query_one(RowList)
        assert list(rows.keys) == ["rocket.png"] and rows.has_focus
        assert "1 of 4 shown" in screen_text(pilot)


# What is decided about photos


@pytest.mark.parametrize("view", [[], ["v"]])
async def test_a_photo_is_left_out_and_taken_back_undone_and_redone(photos: Path, view: list[str]) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, *view, "x")
        assert trained(photos) == ["cat.png", "coffee.png", "rocket.png"]
        assert "3 to train on, 1 left out" in text and ", left out by hand" in text
        assert "✓ 3" in text.splitlines()[0]
        await go(pilot, "x")
        assert len(trained(photos)) == 4
        await go(pilot, "u")
        await sees(pilot, "Took back: Take back astronaut.png.", "3 to train on")
        await go(pilot, "u")
        assert len(trained(photos)) == 4
        await go(pilot, "U")
        await sees(pilot, "Made again: Leave out astronaut.png.")
        assert len(trained(photos)) == 3
    assert "left out by hand" in (photos / ".loratui" / "exclusions.json").read_text()


async def test_marked_photos_go_together(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "space", "space", "space", "k", "k", "space")  # the second one is taken back
        assert "2 marked" in text
        await go(pilot, "x")
        assert trained(photos) == ["cat.png", "rocket.png"]
        assert [entry.summary for entry in history(photos)] == ["Leave out 2 photos"]
        await go(pilot, "space", "escape", "x")
        assert len(trained(photos)) == 1, "without marks it is about the one under the cursor"


async def test_a_folder_whose_photos_are_all_left_out_is_blocked(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "space", "space", "space", "space", "x")
        assert "✗ all left out" in text.splitlines()[0] and "0 to train on, 4 left out" in text


async def test_nothing_to_undo_is_said(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "u")
        await sees(pilot, "There is nothing to undo")
        await go(pilot, "U")
        await sees(pilot, "There is nothing to redo")


async def test_what_another_program_wrote_meanwhile_is_kept(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot)
        exclude(open_dataset(photos), {"rocket.png": "elsewhere"})
        text = await go(pilot, "x")
        assert trained(photos) == ["cat.png", "coffee.png"]
        assert "2 to train on, 2 left out" in text


# The training crop


@pytest.mark.parametrize("size", [NARROW, HUGE])
async def test_a_crop_is_placed_by_keys_kept_and_drawn(photos: Path, size: tuple[int, int]) -> None:
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "G", "c")  # the rocket: 640 x 427
        assert "rocket.png" in text and "Training sees 1024 x 1024 pixels around 0.50,0.50, enlarged" in text
        text = await go(pilot, "h", "left", "H")
        assert "around 0.39,0.50" in text
        await go(pilot, "enter")
        assert focus_of(photos, "rocket.png") == pytest.approx((0.39, 0.5), abs=0.001)
        assert "placed" in screen_text(pilot)
        await go(pilot, "u")
        assert focus_of(photos, "rocket.png") is None


async def test_a_crop_cannot_leave_its_photo_and_goes_back_at_once(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "G", "c", *["l"] * 20, "j", "K")
        text = screen_text(pilot)
        edge = 1 - 427 / 640 / 2
        assert f"around {edge:.2f},0.50" in text
        text = await go(pilot, "h")
        assert f"around {edge - 0.05:.2f},0.50" in text
        text = await go(pilot, "c")
        assert "around 0.50,0.50" in text
        await go(pilot, "escape")
        assert focus_of(photos, "rocket.png") is None


async def test_a_click_places_a_crop_and_r_gives_it_back_to_the_settings(photos: Path) -> None:
    place_crops(open_dataset(photos), {"rocket.png": (0.4, 0.5)})
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        assert "around 0.4" in await go(pilot, "G", "enter")
        view = pilot.app.screen.query_one("#crop-view")
        await pilot.click(view, offset=(view.size.width // 2, view.size.height // 2))
        await sees(pilot, "around 0.5")
        await go(pilot, "r")
        assert not isinstance(pilot.app.screen, CropScreen)
        assert focus_of(photos, "rocket.png") is None


async def test_what_training_takes_whole_or_cannot_read_has_no_crop_to_place(photos: Path) -> None:
    (photos / "a-broken.png").write_text("no picture")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "c", "enter")
        assert "unreadable" in text and "c Crop" not in text
        text = await go(pilot, "j", "c", "enter")  # the astronaut is a square
        assert "taken whole, as" in text and "c Crop" not in text
        assert not isinstance(pilot.app.screen, CropScreen) and notified(pilot) == ""
        assert "c Crop" in await go(pilot, "j", "j")
        assert "c Crop" not in await go(pilot, "k", "k")


async def test_the_boxes_follow_the_settings(photos: Path) -> None:
    def labels() -> list[str]:
        return [mark.label for mark in pilot.app.screen.query_one(PictureView)._marks]

    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "G")
        assert labels() == ["from here", "to here"]
        pilot.app.project.choose(Setting("data", "center_crop", ""), "true")  # pyright: ignore[reportAttributeAccessIssue]
        await go(pilot, "k", "j")
        assert labels() == ["crop"]
        place_crops(open_dataset(photos), {"rocket.png": (0.4, 0.5)})
        await go(pilot, "r")
        assert labels() == ["placed crop"]


# What the photos show


async def test_a_class_noun_goes_into_the_prompt_and_the_template(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        text = await go(pilot, "e", "tab", "tab", *"woman", "tab")
        assert concept(pilot)["prompt"] == "a photo of TOK woman"
        assert "a photo of TOK woman" in text and "a photo of {trigger} {class_noun}, {caption}" in text


async def test_a_new_trigger_word_takes_the_old_ones_place_in_the_prompt(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "e", "tab", *"a cat", "tab")
        assert concept(pilot) == {"trigger": "a cat", "prompt": "a photo of a cat", "kind": "object"}


async def test_the_kind_is_chosen(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "e", "enter", "up", "enter")
        assert concept(pilot)["kind"] == "person"


async def test_a_template_that_is_being_typed_is_kept_before_the_program_ends(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(size=WIDE) as pilot:
        await go(pilot)
        app.screen.query_one("#template", Input).focus()
        await write(pilot, "a {trigger}, {caption}")
        assert isinstance(app.screen, PhotosScreen)
        app.screen.note_edit()
        assert json.loads((photos / TEMPLATE_FILE).read_text())["template"] == "a {trigger}, {caption}"


async def test_a_caption_template_is_kept_with_the_photos_and_a_wrong_one_told(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "e", "tab", "tab", "tab", "tab")
        await write(pilot, "no place for it")
        await go(pilot, "enter")
        await sees(pilot, "The template does not say where the caption goes.")
        pilot.app.screen.query_one("#template", Input).value = "{trigger}: {caption}"
        await go(pilot, "escape")
        assert json.loads((photos / TEMPLATE_FILE).read_text())["template"] == "{trigger}: {caption}"
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        assert "{trigger}: {caption}" in await go(pilot)


async def test_in_a_narrow_terminal_the_fields_are_there_while_one_is_in_them(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        assert "Trigger word" not in await go(pilot)
        assert "Trigger word" in await go(pilot, "e")
        text = await go(pilot, "escape")
        assert "Trigger word" not in text and isinstance(pilot.app.focused, RowList)


# Text from outside, and many photos


@pytest.fixture
def hostile_photos(tmp_path: Path) -> Iterator[Path]:
    """Photos whose names and captions look like markup, move the cursor, or are wider than they seem."""
    folder = tmp_path / "hostile [red]"
    folder.mkdir()
    picture = Image.fromarray(data.cat())
    for number, words in enumerate(HOSTILE):
        picture.save(folder / f"{number} {words.replace('/', '')}.png")
    dataset = open_dataset(folder)
    dataset = save_captions(dataset, {p.name: words for p, words in zip(dataset.photos, HOSTILE, strict=True)})
    exclude(dataset, {dataset.photos[1].name: "[/reason]\x1b[2J"})
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_text_is_shown_not_obeyed(hostile_photos: Path, size: tuple[int, int]) -> None:
    async with app_on(hostile_photos).run_test(notifications=True, size=size) as pilot:
        seen = await go(pilot)
        for key in "jjjjjvkkxuc":
            seen += await go(pilot, key)
        seen += await go(pilot, "escape", "e", "tab", "tab", *"[/b]", "escape")
        assert "\x1b" not in seen and "\x07" not in seen and "\u202e" not in seen
        for words in ("[/foo]", "[red]", "日本語", "family", "\\x1b[31mred"):
            assert words in seen


async def test_of_many_photos_each_is_counted_once(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    Image.new("RGB", (90, 60), "red").save(folder / "photo-0000.jpg")
    for number in range(1, 2000):
        (folder / f"photo-{number:04d}.jpg").hardlink_to(folder / "photo-0000.jpg")
    async with app_on(folder).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "G")
        assert "2000 to train on" in text and "JPEG 2000" in text and "2000 below" in text
        text = await go(pilot, "x", "k", "x", "x")
        assert "1999 to train on, 1 left out" in text and "JPEG 1999" in text
        assert "JPEG 2000" in await go(pilot, "j", "x")
