"""Checks in the TUI: run in the background, explained, acted on."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from curation.dataset import exclude, open_dataset
from curation.journal import history, undo
from tests.loratui.tui import NARROW, WIDE, app_on, go


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def duplicated(photos: Path) -> Path:
    """The photos with a copy of the cat."""
    shutil.copy(photos / "cat.png", photos / "cat again.png")
    return photos


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_coming_to_the_screen_checks_the_photos(duplicated: Path, size: tuple[int, int]) -> None:
    async with app_on(duplicated).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "2")
        assert "Blocked: 5 photos" in text
        assert "First: Leave out" in text
        assert "error" in text and "DUP001 exact-duplicate" in text
        assert "The same photo 2 times" in text
        assert " 2 Checks  ✗" in text


async def test_leaving_out_a_duplicate_keeps_one_and_can_be_undone(duplicated: Path) -> None:
    async with app_on(duplicated).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        text = await go(pilot, "x")
        assert len(open_dataset(duplicated).trainable) == 4
        assert "DUP001" not in text and "Needs attention" in text
        text = await go(pilot, "u")
        assert len(open_dataset(duplicated).trainable) == 5
        assert "DUP001" in text


async def test_leaving_out_is_undone_from_the_command_line_too(duplicated: Path) -> None:
    async with app_on(duplicated).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await go(pilot, "x")
        left_out = next(photo.name for photo in open_dataset(duplicated).photos if photo.excluded)
        assert [entry.summary for entry in history(duplicated)] == [f"Leave out {left_out}"]
        undo(duplicated)
        text = await go(pilot, "r")
        assert "Blocked: 5 photos" in text and "DUP001" in text


async def test_photos_are_taken_back_into_their_own_folder_only(duplicated: Path, tmp_path: Path) -> None:
    shutil.copytree(duplicated, other := tmp_path / "other")
    exclude(open_dataset(other), {"cat again.png": "not her", "cat.png": "nor here"})
    app = app_on(duplicated)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        await go(pilot, "x")
        assert len(open_dataset(duplicated).trainable) == 4
        app.project.open(other)
        await go(pilot, "u")
        assert len(open_dataset(other).trainable) == 3


async def test_leaving_out_several_photos_that_are_no_copies_is_confirmed(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "2")
        report = pilot.app.project.report  # type: ignore[attr-defined]
        row = next(i for i, finding in enumerate(report.findings) if finding.code == "CAP001")
        await go(pilot, *"j" * row)
        text = await go(pilot, "x")
        assert "Leave these 4 photos out of training?" in text
        await go(pilot, "enter")  # the focus is on Cancel
        assert len(open_dataset(photos).trainable) == 4
        await go(pilot, "x")
        await go(pilot, "y")
        assert len(open_dataset(photos).trainable) == 0


async def test_the_detail_follows_the_cursor(photos: Path) -> None:
    Image.open(photos / "cat.png").resize((90, 60)).save(photos / "small.png")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        first = await go(pilot, "2")
        second = await go(pilot, "j")
        assert first != second


async def test_a_changed_kind_of_subject_is_checked_anew(photos: Path) -> None:
    for name in ("astronaut", "coffee", "rocket"):  # looking for faces takes long
        (photos / f"{name}.png").unlink()
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "2")
        assert "no-face" not in text
        await go(pilot, "4", "enter", "up", "enter")  # Kind: from object up to person
        assert pilot.app.project.recipe.compose().config.concept.kind == "person"  # type: ignore[attr-defined]
        text = await go(pilot, "2")
        assert "no-face" in text
