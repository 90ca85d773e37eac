"""Settings that were typed and are not in lora.toml: however one leaves, they are back with the folder."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dataset import open_dataset
from curation.errors import CurationError
from engine.config import load_config
from loratui.project import CONFIG_FILE, Project
from loratui.recipe import KIND, MAIN_SETTINGS, Recipe, all_settings
from loratui.user.drafts import Draft, draft_file, read_draft, write_draft
from loratui.user.user_folders import state_folder
from tests.loratui.tui import NARROW, app_on, go, screen_text, sees, wait_for, write

BY_LABEL = {setting.label: setting for setting in MAIN_SETTINGS}
STEPS, RANK = BY_LABEL["Steps"], BY_LABEL["Rank"]
TO_STEPS = ["j"] * MAIN_SETTINGS.index(STEPS)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def others(photos: Path) -> Path:
    """A second folder of photos."""
    return shutil.copytree(photos, photos.with_name("others"))


def drafts() -> list[Path]:
    return list((state_folder() / "drafts").glob("*.json"))


# However one leaves


async def test_another_folder_has_its_own_and_the_first_one_gets_its_back(photos: Path, others: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        await write(pilot, "80")
        await sees(pilot, "1 setting not yet in lora.toml: w writes, D drops")
        for folder, steps in ((others, ""), (photos, "80")):
            await go(pilot, "escape", "0", "o")
            await write(pilot, str(folder))
            await go(pilot, "enter")
            await wait_for(pilot, lambda: app.current_mode == "photos")
            assert app.project.recipe.text(STEPS) == steps
        await sees(pilot, "Back on 4 Recipe, and not in lora.toml yet: 1 setting.")
        assert "1 setting not yet in lora.toml" in await go(pilot, "4")


async def test_q_keeps_them_for_the_next_time_a_value_that_does_not_fit_included(photos: Path) -> None:
    async with app_on(photos).run_test(size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        await write(pilot, "many")
        await go(pilot, "escape", "q")
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "4")
        await sees(pilot, "✗ many", "1 setting not yet in lora.toml")


async def test_an_error_that_nobody_expected_takes_none_of_them(photos: Path) -> None:
    app = app_on(photos)
    with pytest.raises(ZeroDivisionError):
        async with app.run_test(size=NARROW) as pilot:
            await go(pilot, "4", *TO_STEPS, "enter")
            await write(pilot, "80")
            app.call_later(lambda: 1 // 0)
            await pilot.pause()
    project = Project(Path("runs"))
    project.open(photos)
    assert project.recipe.text(STEPS) == "80"


async def test_they_are_on_disk_while_one_types_on_for_their_owner_only(photos: Path) -> None:
    async with app_on(photos).run_test(size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        await write(pilot, "80")
        await wait_for(pilot, lambda: bool(drafts()))
        assert drafts()[0].stat().st_mode & 0o077 == 0


async def test_where_no_disk_takes_them_q_asks(photos: Path) -> None:
    state_folder().mkdir(parents=True, exist_ok=True)
    (state_folder() / "drafts").write_text("a file in its place")
    async with app_on(photos).run_test(size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        await write(pilot, "80")
        text = await go(pilot, "escape", "q")
        assert "cannot be kept" in text and "Leave without them?" in text
        await go(pilot, "n")
        assert "4 Recipe" in screen_text(pilot)


def test_what_was_typed_before_any_folder_was_open_is_for_the_first_one(photos: Path, others: Path) -> None:
    project = Project(Path("runs"))
    project.choose(STEPS, "80")
    project.keep_settings()
    project = Project(Path("runs"))
    project.open(photos)
    assert project.recipe.unwritten() == {STEPS.name: "80"}
    project = Project(Path("runs"))
    project.open(others)
    assert project.recipe.unwritten() == {}


def test_a_mended_copy_has_all_of_the_recipe_the_next_time_too(photos: Path, others: Path) -> None:
    CONFIG_FILE.write_text(f'[data]\ninstance_data_dir = "{photos}"\n[lora]\nrank = 12\n')
    project = Project(Path("runs"))
    project.open(photos)
    project.choose(STEPS, "80")
    project.turn_to(open_dataset(others))
    project.keep_settings()
    project = Project(Path("runs"))
    project.open(others)
    config = project.recipe.compose().config
    assert (config.lora.rank, config.run.max_train_steps) == (12, 80)
    assert config.data.instance_data_dir == str(others)


def test_where_no_disk_takes_them_no_other_folder_is_opened(photos: Path, others: Path) -> None:
    state_folder().mkdir(parents=True, exist_ok=True)
    (state_folder() / "drafts").write_text("a file in its place")
    project = Project(Path("runs"))
    project.open(photos)
    project.choose(STEPS, "80")
    with pytest.raises(CurationError, match="cannot be kept in"):
        project.open(others)
    assert project.recipe.text(STEPS) == "80"


# Written, or dropped


async def test_w_writes_them_and_they_are_kept_no_longer(photos: Path) -> None:
    async with app_on(photos).run_test(size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        await write(pilot, "80")
        await wait_for(pilot, lambda: bool(drafts()))
        text = await go(pilot, "escape", "w")
        assert "not yet in lora.toml" not in text and drafts() == []
    assert load_config(CONFIG_FILE).run.max_train_steps == 80


async def test_after_w_a_kind_that_brings_other_numbers_than_the_file_has_tells_all_that_would_change(
    photos: Path,
) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        await go(pilot, "4", "w")
        app.project.choose(KIND, "person")
        config = app.project.recipe.compose().config
        await go(pilot, "q")
    project = Project(Path("runs"))
    project.open(photos)
    assert set(project.recipe.unwritten()) >= {KIND.name, RANK.name}
    assert project.recipe.compose().config == config


async def test_they_are_dropped_only_when_one_says_so(photos: Path) -> None:
    CONFIG_FILE.write_text(f'[data]\ninstance_data_dir = "{photos}"\n[run]\nmax_train_steps = 70\n')
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        await write(pilot, "[/foo]")
        text = await go(pilot, "escape", "D")
        assert "Forget what was typed" in text and "run.max_train_steps: [/foo]" in text
        await go(pilot, "escape")
        assert app.project.recipe.unwritten() == {STEPS.name: "[/foo]"}
        text = await go(pilot, "D", "y")
        assert "not yet in lora.toml" not in text
        assert (app.project.recipe.text(STEPS), app.project.recipe.origin(STEPS)) == ("70", "lora.toml")


# Another program writes lora.toml


def lora_toml(photos: Path, rank: int, steps: int = 500) -> str:
    return f'[data]\ninstance_data_dir = "{photos}"\n[lora]\nrank = {rank}\n[run]\nmax_train_steps = {steps}\n'


async def test_what_another_program_wrote_meanwhile_is_taken_over_told_and_not_replaced_unasked(photos: Path) -> None:
    CONFIG_FILE.write_text(lora_toml(photos, 4))
    app = app_on(photos)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter")
        app.project.choose(STEPS, "80")
        CONFIG_FILE.write_text(lora_toml(photos, 12, 600))
        text = await go(pilot, "escape", "w")
        assert "Replace it?" in text and "run.max_train_steps: 80" in text
        await sees(pilot, "lora.toml was changed by another program", "not in it: 1 setting")
        assert load_config(CONFIG_FILE).run.max_train_steps == 600
        await go(pilot, "y")
    config = load_config(CONFIG_FILE)
    assert (config.lora.rank, config.run.max_train_steps) == (12, 80)


async def test_what_another_program_wrote_since_the_last_time_is_told(photos: Path) -> None:
    CONFIG_FILE.write_text(lora_toml(photos, 4))
    async with app_on(photos).run_test(size=NARROW) as pilot:
        await go(pilot, "4", *TO_STEPS, "enter", "backspace", "8", "0", "escape", "q")
    CONFIG_FILE.write_text(lora_toml(photos, 12))
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        assert "! Another program changed lora.toml" in await go(pilot, "4")
        assert (app.project.recipe.text(RANK), app.project.recipe.origin(RANK)) == ("12", "lora.toml")
        assert list(app.project.recipe.unwritten()) == [STEPS.name]


def test_a_lora_toml_that_turned_to_other_photos_takes_no_setting_away(photos: Path, others: Path) -> None:
    CONFIG_FILE.write_text(lora_toml(photos, 4))
    project = Project(Path("runs"))
    project.open(photos)
    CONFIG_FILE.write_text(lora_toml(others, 12))
    assert project.follow_config()
    assert project.recipe.unwritten()[RANK.name] == "4" and project.recipe.compose().config.lora.rank == 4


# The file

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(draft=st.builds(Draft, st.dictionaries(TEXTS, TEXTS, min_size=1), st.none() | TEXTS))
def test_a_draft_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, draft: Draft) -> None:
    path = tmp_path_factory.mktemp("state") / "loratui" / "drafts" / "one.json"
    write_draft(path, draft)
    assert read_draft(path) == draft


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS | st.sampled_from(["draft", "settings", "config"]), inner),
)


@settings(deadline=None)
@given(content=st.binary() | JSON.map(lambda value: str(value).encode()))
def test_a_damaged_file_is_no_draft(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("state") / "one.json"
    path.write_bytes(content)
    assert read_draft(path) is None


def test_a_folder_and_a_lora_toml_have_one_file_by_whatever_path(photos: Path) -> None:
    through = photos.parent / "link"
    through.symlink_to(photos)
    assert draft_file(photos, CONFIG_FILE) == draft_file(through, CONFIG_FILE.absolute())
    assert draft_file(photos, CONFIG_FILE) != draft_file(photos.parent, CONFIG_FILE)


TYPED = TEXTS.map(str.strip).filter(bool) | st.sampled_from(["none", "8", "1e-4", "true", "a, b", "person", "80"])


@settings(deadline=None)
@given(typed=st.dictionaries(st.sampled_from(all_settings()), TYPED | st.just(""), max_size=6))
def test_what_was_typed_makes_the_same_recipe_again(typed: dict) -> None:
    written = Recipe({"lora": {"rank": 12}, "concept": {"instance_prompt": "a TOK"}})
    recipe, again = written.to_edit(), written.to_edit()
    for setting, text in typed.items():
        recipe.choose(setting, text)
    again.take(recipe.unwritten())
    assert again.unwritten() == recipe.unwritten()
    assert again.compose().config == recipe.compose().config
    assert again.problems.keys() == recipe.problems.keys()
