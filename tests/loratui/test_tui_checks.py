"""Checks in the TUI: run in the background, shown as they come, explained, acted on, and all of it taken back."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from textual.pilot import Pilot
from textual.widgets import Input

from curation.dataset import open_dataset
from curation.journal import history, undo
from curation.suppressions import read_suppressions
from loratui.picture_app import PictureApp
from loratui.recipe import KIND
from loratui.screens.checks import ChecksScreen
from loratui.terminal.ways import Way
from loratui.widgets.finding_list import FindingList
from loratui.widgets.gallery import Gallery
from loratui.widgets.picture import PictureView
from loratui.widgets.row_list import RowList
from tests.loratui.tui import NARROW, WIDE, app_on, go, sees, wait_for, write

LARGE = (180, 50)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cats(sample_photos: Path, tmp_path: Path) -> Path:
    """A photo of a cat, the same once more, one in a frame, one too small: what is checked within a second."""
    folder = tmp_path / "cats"
    folder.mkdir()
    shutil.copy(sample_photos / "cat.png", folder / "cat.png")
    shutil.copy(sample_photos / "cat.png", folder / "copy.png")
    with Image.open(sample_photos / "coffee.png") as coffee:
        ImageOps.expand(coffee, 60).save(folder / "framed.png")
        coffee.resize((60, 40)).save(folder / "small.png")
    return folder


def trainable(folder: Path) -> list[str]:
    return [photo.name for photo in open_dataset(folder).trainable]


async def come_to(pilot: Pilot, *words: str) -> None:
    """Move the cursor to the line of the list with these words."""
    findings, rows = pilot.app.screen.query_one(FindingList), pilot.app.screen.query_one(RowList)
    for number in range(len(rows.keys)):
        rows.go_to(number)
        row = findings.row
        if row and all(word in f"{row.severity} {row.title} {row.words}" for word in words):
            await go(pilot)
            return
    raise AssertionError(f"no line with {words}")


def listed(pilot: Pilot) -> set[str]:
    """The codes of the rules in the list."""
    return {key.split()[0] for key in pilot.app.screen.query_one(RowList).keys}


def screen_of(pilot: Pilot) -> ChecksScreen:
    screen = pilot.app.screen
    assert isinstance(screen, ChecksScreen)
    return screen


def draw_pictures(pilot: Pilot, way: Way = "half-blocks") -> None:
    assert isinstance(pilot.app, PictureApp)
    pilot.app.picture_way = way


# What is shown


@pytest.mark.parametrize("size", [WIDE, NARROW, LARGE])
async def test_coming_to_the_screen_checks_the_photos(cats: Path, size: tuple[int, int]) -> None:
    async with app_on(cats).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "2")
        assert "Blocked: 4 photos" in text
        assert "First: Leave out copy.png and keep cat.png" in text
        assert "error" in text and "DUP001 exact-duplicate" in text
        assert " 2 Checks  ✗" in text
        await sees(pilot, "The same photo 2 times", "cat.png (kept)")


async def test_without_photos_it_says_where_to_open_some() -> None:
    async with app_on(None).run_test(notifications=True, size=NARROW) as pilot:
        await pilot.app.switch_mode("checks")
        assert "No photos are open: press 1" in await go(pilot)
        text = await go(pilot, *"xfFsSeburURr/")  # none of these has anything to act on
        assert "No photos are open: press 1" in text


async def test_a_list_of_suppressions_that_is_broken_is_said(cats: Path) -> None:
    (cats / ".loratui").mkdir()
    (cats / ".loratui" / "suppressions.json").write_text("{")
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await sees(pilot, "The list of suppressions cannot be read", "Mend it, or delete it")
        (cats / ".loratui" / "suppressions.json").unlink()
        assert "Blocked: 4 photos" in await go(pilot, "r")


async def test_findings_are_grouped_by_rule_and_by_photo_and_groups_fold(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "IMG001", "findings")
        by_rule = await go(pilot)
        assert "Findings by rule" in by_rule and "IMG001 below-resolution" in by_rule
        unfolded = len(pilot.app.screen.query_one(RowList).keys)
        assert "→ IMG001" in await go(pilot, "enter")
        assert len(pilot.app.screen.query_one(RowList).keys) < unfolded
        assert "↓ IMG001" in await go(pilot, "enter")

        await come_to(pilot, "framed.png")
        by_photo = await go(pilot, "b")
        assert "Findings by photo" in by_photo and "↓ framed.png" in by_photo
        assert "Findings by rule" in await go(pilot, "b")
        assert "framed.png" in str(pilot.app.screen.query_one(FindingList).row)


async def test_the_filter_finds_words_of_rules_photos_and_severities(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await go(pilot, "slash")
        await write(pilot, "error CAT.png")
        text = await go(pilot)
        assert "1 of" in text and "DUP001" in text and "IMG007" not in text
        await go(pilot, "enter")
        await go(pilot, "x")  # keys act again, on what is shown
        assert trainable(cats) == ["cat.png", "framed.png", "small.png"]
        await sees(pilot, "No finding has these words")
        text = await go(pilot, "escape")
        assert "IMG007" in text and " of " not in text.split("Findings by rule")[1].splitlines()[0]
        await go(pilot, "slash")
        await write(pilot, "[/red]")
        await sees(pilot, "No finding has these words")
        assert "IMG007" in await go(pilot, "escape")
        assert not pilot.app.screen.query_one(Input).display


async def test_the_photo_stands_beside_its_finding_with_what_it_means_drawn_on_it(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        draw_pictures(pilot)
        await come_to(pilot, "IMG007")
        picture = pilot.app.screen.query_one(PictureView)
        await wait_for(pilot, lambda: picture.display)
        await sees(pilot, "Bars of one colour", "Measured: 0.", "limit 0.01", "picture")


async def test_without_pictures_the_words_have_all_the_room(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        draw_pictures(pilot, "off")
        await come_to(pilot, "IMG007")
        await sees(pilot, "Bars of one colour", "Measured: 0.")
        picture, words = screen_of(pilot).query_one(PictureView), screen_of(pilot).query_one("#finding-words")
        assert not picture.display
        await go(pilot, "tab")
        assert words.has_focus
        draw_pictures(pilot)
        await wait_for(pilot, lambda: picture.display)


@pytest.mark.parametrize("size", [WIDE, LARGE])
async def test_the_photos_of_a_group_stand_side_by_side_and_the_kept_one_is_called_so(
    cats: Path, size: tuple[int, int]
) -> None:
    async with app_on(cats).run_test(notifications=True, size=size) as pilot:
        await go(pilot, "2")
        draw_pictures(pilot)
        await come_to(pilot, "DUP001")
        gallery = pilot.app.screen.query_one(Gallery)
        await wait_for(pilot, lambda: gallery.display)
        await sees(pilot, "kept: cat.png", "copy.png")
        await go(pilot, "tab")
        await go(pilot, "l")
        assert gallery.key == str(cats / "copy.png")
        await go(pilot, "tab")
        assert pilot.app.screen.query_one(RowList).has_focus


async def test_a_narrow_terminal_shows_the_list_or_the_photo(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "2")
        draw_pictures(pilot)
        await sees(pilot, "Findings by rule", "The same photo 2 times")
        text = await go(pilot, "tab")
        assert "Findings by rule" not in text and "kept: cat.png" in text
        assert "Findings by rule" in await go(pilot, "escape")


async def test_a_rule_is_explained_as_on_the_command_line(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "IMG007")
        for key in ("e", "enter"):
            text = await go(pilot, key)
            assert "IMG007 border (warning; kinds: all)" in text and "least = 0.01" in text
            assert "Findings by rule" in await go(pilot, "escape")


async def test_names_from_outside_are_shown_as_they_are(cats: Path) -> None:
    for name in ("[/foo].png", "[red]x.png", "\x1b[31m.png", "猫 🐈.png"):
        (cats / name).parent.mkdir(exist_ok=True)
        shutil.copy(cats / "small.png", cats / name)
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await go(pilot, "b")
        await sees(pilot, "[/foo].png", "[red]x.png", "\\x1b[31m.png", "猫 🐈.png")
        await come_to(pilot, "[/foo].png")
        await go(pilot, "e")
        await go(pilot, "escape")
        await go(pilot, "s")
        await sees(pilot, "is fine, because:")
        await go(pilot, "escape")
        await pilot.press("x")
        await sees(pilot, "Left out: [/foo].png")


# Checking


async def test_findings_come_while_others_are_looked_for_and_the_cursor_stays(
    photos: Path, held: threading.Event
) -> None:
    with Image.open(photos / "astronaut.png") as first:  # found on it: too small, and a border
        ImageOps.expand(first, 60).save(photos / "astronaut.png")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("2")
        await sees(pilot, "So far", "Checking the photos", "1/4", "esc cancels")
        findings = pilot.app.screen.query_one(RowList)
        await wait_for(pilot, lambda: len(findings.keys) > 1)
        await pilot.press("j")
        under_cursor = screen_of(pilot).query_one(FindingList).chosen
        assert [finding.code for finding in under_cursor] == ["IMG007"]
        held.set()
        text = await go(pilot)
        assert "So far" not in text and "4 photos" in text
        assert screen_of(pilot).query_one(FindingList).chosen[0] in under_cursor


async def test_cancelled_checks_keep_what_they_found_and_say_so(photos: Path, held: threading.Event) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await pilot.press("2")
        await sees(pilot, "So far")
        text = await go(pilot, "escape")
        held.set()
        assert "Not complete: the checks were ended" in text and "warning" in text
        assert screen_of(pilot).project.report is None
        await pilot.press("F")
        await sees(pilot, "The checks are not complete yet")
        assert "Not complete" in await go(pilot, "1", "2")  # it does not begin again unasked
        assert "4 photos" in await go(pilot, "r")


async def test_another_program_s_changes_are_seen_when_checked_again(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        (cats / "copy.png").unlink()
        text = await go(pilot, "r")
        assert "DUP001" not in text and "3 photos" in text


async def test_a_changed_kind_of_subject_is_checked_anew(cats: Path) -> None:
    for name in ("copy.png", "framed.png", "small.png"):  # looking for faces takes long
        (cats / name).unlink()
    app = app_on(cats)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "2")
        assert "no-face" not in text
        app.project.choose(KIND, "person")
        assert "no-face" in await go(pilot, "1", "2")


# Leaving out


async def test_leaving_out_a_duplicate_keeps_one_and_can_be_undone_and_redone(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "DUP001")
        text = await go(pilot, "x")
        assert trainable(cats) == ["cat.png", "framed.png", "small.png"]
        assert "DUP001" not in text and "Needs attention" in text
        assert "DUP001" in await go(pilot, "u")
        assert len(trainable(cats)) == 4
        assert "DUP001" not in await go(pilot, "U")
        assert len(trainable(cats)) == 3


async def test_leaving_out_is_undone_from_the_command_line_too(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "DUP001")
        await go(pilot, "x")
        assert [entry.summary for entry in history(cats)] == ["Leave out copy.png"]
        undo(cats)
        assert "Blocked: 4 photos" in await go(pilot, "r")


async def test_what_was_done_in_another_folder_is_not_taken_back_here(cats: Path, tmp_path: Path) -> None:
    shutil.copytree(cats, other := tmp_path / "other")
    app = app_on(cats)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "DUP001")
        await go(pilot, "x")
        app.project.open(other)
        await go(pilot, "u")
        await sees(pilot, "There is nothing to undo")
        assert len(trainable(cats)) == 3


async def test_leaving_out_several_photos_that_are_no_copies_is_confirmed(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "CAP001")
        assert "Leave these 4 photos out of training?" in await go(pilot, "x")
        await go(pilot, "enter")  # the focus is on Cancel
        assert len(trainable(cats)) == 4
        await go(pilot, "x")
        await go(pilot, "y")
        assert len(trainable(cats)) == 0


async def test_under_a_photo_only_that_photo_is_left_out(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await go(pilot, "b")
        await come_to(pilot, "small.png")
        await go(pilot, "x")
        assert trainable(cats) == ["cat.png", "copy.png", "framed.png"]


# Fixing


async def test_one_finding_is_mended_in_a_copy_that_one_goes_on_with_and_comes_back_from(cats: Path) -> None:
    Path("lora.toml").write_text('[data]\ninstance_data_dir = "cats"\n[concept]\ninstance_prompt = "a photo of TOK"\n')
    app = app_on(cats)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "IMG007")
        text = await go(pilot, "f")
        assert "1 photo to mend in cats-fixed" in text and "cut at left 61, top 61" in text
        await go(pilot, "enter")  # the focus is on Cancel
        assert not Path("cats-fixed").exists()
        await go(pilot, "f")
        await go(pilot, "y")
        assert "Go on with it?" in await go(pilot)
        text = await go(pilot, "y")
        assert app.project.dataset and app.project.dataset.root == Path("cats-fixed").resolve()
        assert "IMG007" not in text
        assert app.project.recipe.compose().config.data.instance_data_dir == str(Path("cats-fixed").resolve())
        assert 'instance_data_dir = "cats-fixed"' in Path("lora.toml").read_text()

        await go(pilot, "u")
        assert app.project.dataset.root == cats
        assert 'instance_data_dir = "cats"' in Path("lora.toml").read_text()
        await go(pilot, "u")
        assert not Path("cats-fixed").exists()


async def test_all_that_loses_nothing_is_fixed_together_and_a_copy_that_is_there_stays(cats: Path) -> None:
    Path("cats-fixed").mkdir()
    async with app_on(cats).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "2")
        text = await go(pilot, "F")
        assert "1 photo to mend in cats-fixed-2" in text
        await go(pilot, "y")
        await go(pilot, "n")  # not to go on with it
        assert len(list(Path("cats-fixed-2").glob("*.png"))) == 4
        assert not list(Path("cats-fixed").iterdir())
        assert screen_of(pilot).project.dataset is not None
        assert len(trainable(cats)) == 4


async def test_what_can_only_be_left_out_is_left_out_by_the_fix(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "DUP001")
        await go(pilot, "f")
        assert trainable(cats) == ["cat.png", "framed.png", "small.png"]


async def test_what_nothing_mends_says_what_to_do(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "CAP001")
        await go(pilot, "f")
        await sees(pilot, "Nothing mends this by itself. To do: write captions")


# Suppressing


async def test_a_finding_is_suppressed_with_a_reason_listed_and_heard_of_again(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "IMG007")
        assert "IMG007 border on framed.png is fine, because:" in await go(pilot, "s")
        await go(pilot, "enter")
        await sees(pilot, "A suppression needs a reason")
        await write(pilot, "[red]the frame is the point[/foo]")
        text = await go(pilot, "enter")
        assert "IMG007" not in listed(pilot) and "1 suppressed" in text
        assert [one.reason for one in read_suppressions(cats)] == ["[red]the frame is the point[/foo]"]

        text = await go(pilot, "S")
        assert "IMG007" in text and "[red]the frame is the point[/foo]" in text
        await go(pilot, "x")
        assert read_suppressions(cats) == ()
        assert "IMG007" in listed(pilot)
        assert "Nothing is suppressed here" in await go(pilot, "S")


# The way back


async def test_everything_done_since_the_folder_was_opened_is_taken_back_after_it_was_listed(cats: Path) -> None:
    before = {path.name: path.read_bytes() for path in cats.glob("*.png")}
    app = app_on(cats)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "2")
        await go(pilot, "R")
        await sees(pilot, "Nothing was written since")
        await come_to(pilot, "DUP001")
        await go(pilot, "x")
        await come_to(pilot, "small.png", "shorter side")
        await go(pilot, "s")
        await write(pilot, "it is all there is")
        await go(pilot, "enter")
        await go(pilot, "F")
        await go(pilot, "y")
        await go(pilot, "y")  # go on with the copy
        assert Path("cats-fixed").is_dir() and app.project.dataset and app.project.dataset.root != cats

        text = await go(pilot, "R")
        assert "Take 3 steps back?" in text
        assert "Leave out copy.png" in text and "Suppress IMG001 on small.png" in text and "Write cats-fixed" in text
        await go(pilot, "enter")  # the focus is on Cancel
        assert Path("cats-fixed").is_dir()
        await go(pilot, "R")
        await go(pilot, "y")
        assert app.project.dataset.root == cats
        assert not Path("cats-fixed").exists()
        assert len(trainable(cats)) == 4 and read_suppressions(cats) == ()
        assert {path.name: path.read_bytes() for path in cats.glob("*.png")} == before
        await sees(pilot, "Blocked: 4 photos")


async def test_a_step_that_cannot_be_taken_back_is_said_and_the_others_are(cats: Path) -> None:
    async with app_on(cats).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await come_to(pilot, "DUP001")
        await go(pilot, "x")
        await come_to(pilot, "IMG007")
        await go(pilot, "s")
        await write(pilot, "fine")
        await go(pilot, "enter")
        exclusions = cats / ".loratui" / "exclusions.json"
        exclusions.write_text(json.dumps({"version": 1, "excluded": {"cat.png": "by another program"}}))
        await go(pilot, "R")
        await pilot.press("y")
        await sees(pilot, "exclusions.json")
        await go(pilot)
        assert read_suppressions(cats) == ()
        assert trainable(cats) == ["copy.png", "framed.png", "small.png"]
