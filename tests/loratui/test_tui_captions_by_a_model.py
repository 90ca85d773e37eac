"""Auto-caption in the TUI: in a process of its own, with progress and an end, and what is typed meanwhile wins."""

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from curation.dataset import open_dataset
from loratui.screens.captions import CaptionsScreen
from tests.curation import tiny_captioners
from tests.loratui.tui import NARROW, WIDE, app_on, go, screen_text, sees, wait_for, write

NAMES = ["astronaut.png", "cat.png", "coffee.png", "rocket.png"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BLIP."""
    return tiny_captioners.save_blip(tmp_path_factory.mktemp("model"))


def captions(photos: Path) -> dict[str, str | None]:
    return {photo.name: photo.caption for photo in open_dataset(photos).photos}


def jobs(pilot: Pilot) -> list[str]:
    screen = pilot.app.screen
    assert isinstance(screen, CaptionsScreen)
    return [job.label for job in screen.jobs]


async def begin(pilot: Pilot, model: Path | str) -> None:
    """Open the dialog, name the model, and start."""
    await go(pilot, "3", "a")
    pilot.app.screen.query_one("#other", Input).value = str(model)
    await go(pilot)
    pilot.app.screen.query_one("#act").focus()
    await pilot.press("enter")


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_dialog_says_which_models_are_here_and_how_one_that_is_missing_is_fetched(
    photos: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "3", "a")
        assert "blip-image-captioning-base (missing)" in text
        assert "hf download Salesforce/blip-image-captioning-base" in text
        assert "without a caption (4)" in text and "a photo of {trigger}, {caption}" in text


async def test_a_template_that_says_nowhere_what_the_caption_is_is_refused(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "3", "a")
        pilot.app.screen.query_one("#template", Input).value = "a photo of TOK"
        await sees(pilot, "must say where the caption goes")
        assert pilot.app.screen.query_one("#act").disabled
        await go(pilot, "escape")
        assert jobs(pilot) == []


@pytest.mark.slow
async def test_a_model_captions_the_photos_while_one_types_and_what_was_typed_wins(photos: Path, model: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await begin(pilot, model)
        await wait_for(pilot, lambda: jobs(pilot) == ["Captioning"])
        await pilot.press("e")
        await write(pilot, "mine, [/foo]")
        await wait_for(pilot, lambda: not jobs(pilot))
        await sees(pilot, "of 4 photos.")
        await go(pilot, "escape", "j")
        assert "a photo of TOK, " in screen_text(pilot)
    written = captions(photos)
    assert written["astronaut.png"] == "mine, [/foo]"
    assert all((written[name] or "").startswith("a photo of TOK, ") for name in NAMES[1:])


@pytest.mark.slow
@pytest.mark.usefixtures("held")
async def test_esc_ends_it_and_captions_that_were_written_stay(photos: Path, model: Path) -> None:
    for number in range(20):
        for name in NAMES:
            os.link(photos / name, photos / f"{number:02d}-{name}")
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        await begin(pilot, model)
        await wait_for(pilot, lambda: sum(map(bool, captions(photos).values())) >= 8)
        await sees(pilot, "Captioning", "esc cancels")
        await pilot.press("escape")
        await wait_for(pilot, lambda: not jobs(pilot))
        shown = sum("a photo of TOK" in line for line in (await go(pilot)).splitlines())
        assert shown >= 5  # the list was read again


@pytest.mark.slow
async def test_a_model_that_cannot_be_loaded_is_told_in_its_own_two_sentences(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await begin(pilot, "/nowhere/model")
        await sees(pilot, "There is no model folder /nowhere/model.")
