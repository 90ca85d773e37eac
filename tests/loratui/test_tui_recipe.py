"""Recipe in the TUI: checked as one types, written as lora.toml, started as a run."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrainConfig, load_config
from engine.errors import ConfigError
from engine.events import EventWriter
from engine.plan import resolve
from engine.rundir import create_run, list_runs
from loratui.flags import parse_flags
from loratui.recipe import INSTANCE_PROMPT, KIND, MAIN_SETTINGS, Recipe, Setting, all_settings
from tests.loratui.made_runs import step
from tests.loratui.tui import NARROW, WIDE, app_on, go, notified, screen_text, sees, wait_for, write

COPY = "copy_to_clipboard"
BY_LABEL = {setting.label: setting for setting in MAIN_SETTINGS}
RANK = Setting("lora", "rank", "Rank")
LEARNING_RATE = Setting("optimizer", "learning_rate", "Learning rate")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def keys_to(label: str) -> list[str]:
    """The keys from the first setting of the list to the one with that label, and into its field."""
    return [*["j"] * [setting.label for setting in MAIN_SETTINGS].index(label), "enter"]


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_plan_follows_what_is_typed(photos: Path, size: tuple[int, int]) -> None:
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "4")
        assert "500 steps, pivot at step 250" in text and "500 by photos" in text
        await go(pilot, *keys_to("Steps"))
        await write(pilot, "80")
        text = await go(pilot)
        assert "80 steps, pivot at step 40" in text
        assert "4 photos, 20 epochs of 4" in text


async def test_a_value_that_does_not_fit_is_told_at_once_and_stops_the_start(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4", *keys_to("Rank"))
        await write(pilot, "many")
        await sees(pilot, "does not fit", "4 Recipe  ✗ mend")
        await go(pilot, "escape", "s")
        assert list_runs(Path("runs")) == []


async def test_settings_that_contradict_each_other_are_explained(photos: Path) -> None:
    (Path.cwd() / "lora.toml").write_text(f"""
[data]
instance_data_dir = "{photos}"
[text_encoder]
train_text_encoder = true
train_text_encoder_ti = true
""")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4")
        await sees(pilot, "are both", "Keep one", "✗ mend")


async def test_all_contradictions_are_told_together(photos: Path) -> None:
    (Path.cwd() / "lora.toml").write_text(f"""
[data]
instance_data_dir = "{photos}"
[optimizer]
use_8bit_adam = true
[prior]
with_prior_preservation = true
""")
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "4")
        await sees(pilot, "use_8bit_adam is on", "no class_prompt")


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_photos_disk_and_memory_are_looked_at_without_being_asked(photos: Path, size: tuple[int, int]) -> None:
    (photos / "notes.jpg").write_text("not a photo")
    recipe = Recipe.for_photos(photos)
    recipe.choose(Setting("model", "pretrained_model_name_or_path", ""), "tiny")
    Path("lora.toml").write_text(recipe.toml())
    async with app_on(photos).run_test(notifications=True, size=size) as pilot:
        text = await go(pilot, "4")
        assert "500 steps, pivot at step 250" in text
        await sees(pilot, "notes.jpg cannot be read")
        (photos / "notes.jpg").unlink()
        pilot.app.project.read_again()  # type: ignore[attr-defined]
        await go(pilot, *keys_to("Repeats"))
        await write(pilot, "2")
        await go(pilot, "escape", "v")
        await sees(pilot, "disk:")
        pilot.app.screen.query_one("#plan").scroll_end(animate=False)
        await sees(pilot, "GPU memory: about")


async def test_a_path_that_the_system_refuses_is_told_when_it_is_looked_at(photos: Path) -> None:
    (Path.cwd() / "lora.toml").write_text(f"""
[data]
instance_data_dir = "{photos}"
[model]
pretrained_model_name_or_path = "tiny"
[prior]
with_prior_preservation = true
class_prompt = "a cat"
class_data_dir = "{"a" * 300}"
""")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4")
        await sees(pilot, "The system refused: File name too long.", "Check the paths")
        await go(pilot, "s")
        assert "This should not happen" not in screen_text(pilot) and list_runs(Path("runs")) == []


async def test_every_setting_is_found_by_its_name_or_its_meaning_and_tells_what_the_guide_says(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "4")
        assert all(setting.label in text for setting in MAIN_SETTINGS)
        await go(pilot, "slash")
        await write(pilot, "air-brushed")
        await sees(pilot, "1 of", "32 did better", "presets: person 32, object 16")
        await go(pilot, "escape")
        assert f"{len(all_settings())} of {len(all_settings())}" in screen_text(pilot)
        await go(pilot, "slash")
        await write(pilot, "no such thing")
        await sees(pilot, "No setting has these words")
        await go(pilot, "enter", "enter", "d", "right")


async def test_a_search_goes_to_the_setting_that_is_named_so(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(size=NARROW) as pilot:
        await go(pilot, "4", "G", "slash")
        await write(pilot, "steps")
        await go(pilot, "enter", "enter")
        await write(pilot, "80")
        assert app.project.recipe.compose().config.run.max_train_steps == 80


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_long_name_keeps_its_distance_from_the_value(photos: Path, size: tuple[int, int]) -> None:
    async with app_on(photos).run_test(size=size) as pilot:
        await go(pilot, "4", "slash")
        await write(pilot, "pretrained_vae_model_name_or_path")
        await go(pilot, "enter", "enter")
        await write(pilot, "here")
        text = await go(pilot)
        assert ("name_or_path here" if size == NARROW else "name_or_… here") in text


def test_what_nobody_typed_is_not_called_ones_own(photos: Path) -> None:
    recipe = Recipe.for_photos(photos)
    assert recipe.origin(INSTANCE_PROMPT) == "offered"
    recipe.choose(INSTANCE_PROMPT, "a photo of TOK dog")
    assert recipe.origin(INSTANCE_PROMPT) == "yours"


async def test_a_setting_of_few_values_turns_with_the_arrows_and_d_takes_it_back(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "4", "slash")
        await write(pilot, "optimizer.optimizer")
        await go(pilot, "enter", "right")
        assert app.project.recipe.compose().config.optimizer.optimizer == "adamw"
        await go(pilot, "h", "h")
        assert app.project.recipe.compose().config.optimizer.optimizer == "adafactor"
        await go(pilot, "d")
        assert app.project.recipe.compose().config.optimizer.optimizer == "prodigy"


async def test_a_preset_is_chosen_with_its_numbers_and_their_sources_in_sight(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        text = await go(pilot, "4", "p")
        assert "one face, from 6 to 30 photos" in text and "(now)" in text
        await go(pilot, "g")
        await sees(pilot, 'the guide, "Face LoRA"')
        await go(pilot, "enter")
        assert app.project.recipe.value_text(KIND) == "person"
        await go(pilot, "p", "G", "escape")
        assert app.project.recipe.value_text(KIND) == "person"


async def test_sample_prompts_are_offered_for_the_kind_and_ones_own_are_added(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        text = await go(pilot, "4", "m")
        assert "a photo of TOK on the beach" in text
        await go(pilot, "j", "space", "n")
        await write(pilot, "TOK, asleep [/foo]")
        await go(pilot, "enter")
        await sees(pilot, "yes    TOK, asleep [/foo]")
        await go(pilot, "enter")
        sample = app.project.recipe.compose().config.sample
        assert sample.validation_prompt == "a photo of TOK on the beach"
        assert sample.validation_prompts == ["TOK, asleep [/foo]"]
        await go(pilot, "m", "space", "escape")
        assert app.project.recipe.compose().config.sample == sample


async def test_plan_and_lora_toml_get_the_room_of_the_settings_and_give_it_back(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        assert "[concept]" not in await go(pilot, "4")
        text = await go(pilot, "v")
        assert "The same as a command" in text and "[data]" in text
        assert "[data]" not in await go(pilot, "v")


async def test_lora_toml_and_the_command_line_are_copied(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, copied = app_on(photos), []
    monkeypatch.setattr(app, COPY, copied.append)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "4", "y", "Y")
    assert copied == [app.project.recipe.toml(), app.project.recipe.command_line()]
    assert "instance_data_dir" in copied[0] and copied[1].startswith("loratui train --")


async def test_w_writes_the_lora_toml_that_is_shown(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4", *keys_to("Rank"))
        await write(pilot, "8")
        await go(pilot, "escape", "w")
    config = load_config(Path("lora.toml"))
    assert (config.lora.rank, config.data.instance_data_dir) == (8, str(photos))
    assert config.concept.instance_prompt == "a photo of TOK"


async def test_another_lora_toml_is_replaced_only_when_one_says_so(photos: Path) -> None:
    Path("lora.toml").write_text("# about something else\n[lora]\nrank = 4\n")
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "4", "w")
        assert "Replace it?" in text
        await go(pilot, "escape")
        assert "something else" in Path("lora.toml").read_text()
        await go(pilot, "w")
        await go(pilot, "y")
    assert load_config(Path("lora.toml")).data.instance_data_dir == str(photos)


async def test_the_lora_toml_about_these_photos_is_where_one_starts(photos: Path) -> None:
    recipe = Recipe.for_photos(photos)
    recipe.choose(RANK, "12")
    Path("lora.toml").write_text(recipe.toml())
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        assert pilot.app.project.recipe.text(RANK) == "12"  # type: ignore[attr-defined]


async def test_a_run_that_cannot_start_says_why(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4", *keys_to("Model"))
        await write(pilot, "/no/model")
        await go(pilot, "escape", "s")
        await sees(pilot, "/no/model")
        assert pilot.app.current_mode == "recipe"
        assert list_runs(Path("runs")) == []


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_what_speaks_against_a_start_is_asked_and_cancel_is_the_answer_at_hand(
    photos: Path, size: tuple[int, int]
) -> None:
    (photos / "notes.jpg").write_text("not a photo")  # an error
    other = create_run(Path("runs"), "other", TrainConfig())
    app = app_on(photos)
    async with app.run_test(notifications=True, size=size) as pilot:
        await go(pilot, "2")
        with other.lock():
            text = await go(pilot, "4", "s")
            assert "found errors in the photos" in text and "other is training" in text
            text = await go(pilot, "enter")
            assert "other is training" not in text and app.current_mode == "recipe"
        text = await go(pilot, "s")
        assert "found errors in the photos" in text and "other is training" not in text
        await go(pilot, "y")
        await sees(pilot, "notes.jpg")  # it was tried, and is refused for the photo
        assert [run.name for run in list_runs(Path("runs"))] == ["other"]


async def test_of_several_reasons_against_a_start_the_first_is_told_and_the_log_has_all(photos: Path) -> None:
    (photos / "notes.jpg").write_text("not a photo")
    app = app_on(photos)
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        app.project.choose(BY_LABEL["Model"], "/no/model")
        app.project.choose(BY_LABEL["Sample prompt"], "a photo of TOK")
        await go(pilot, "4", "s")
        await sees(pilot, "And 1 more: see the plan on 4 Recipe, or the log (L).")
        assert sum(words in notified(pilot) for words in ("/no/model", "notes.jpg")) == 1
        await go(pilot, "L")
        await sees(pilot, "/no/model", "notes.jpg cannot be read")


async def test_the_time_of_a_run_like_it_tells_how_long_it_takes_and_what_it_costs(photos: Path) -> None:
    recipe = Recipe.for_photos(photos)
    for name, value in (("run.price_per_hour", "3"), ("run.max_train_steps", "1200")):
        section, key = name.split(".")
        recipe.choose(Setting(section, key, ""), value)
    Path("lora.toml").write_text(recipe.toml())
    config = resolve(recipe.compose().config)
    run = create_run(Path("runs"), "before", config)
    writer = EventWriter(run.events_file)
    for number in range(1, 30):
        writer.write(step(number, seconds=1.5))
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4")
        await sees(pilot, "time: about 30m00s, about 1.50 at 3 an hour", "as in before")


def test_an_emptied_field_goes_back_to_the_preset() -> None:
    recipe = Recipe({"concept": {"kind": "object"}})
    assert (recipe.text(RANK), recipe.value_text(RANK)) == ("", "16")
    recipe.choose(RANK, "8")
    assert (recipe.text(RANK), recipe.value_text(RANK)) == ("8", "8")
    recipe.choose(RANK, " ")
    assert (recipe.text(RANK), recipe.value_text(RANK)) == ("", "16")


def test_another_kind_brings_its_preset() -> None:
    recipe = Recipe({})
    recipe.choose(KIND, "person")
    assert recipe.value_text(RANK) == "32"


def test_an_unset_rate_shows_the_guides() -> None:
    recipe = Recipe({})
    assert recipe.value_text(LEARNING_RATE) == "1"
    recipe.choose(Setting("optimizer", "optimizer", ""), "adamw")
    assert recipe.value_text(LEARNING_RATE) == "0.0001"


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(
    lambda text: text.strip() and text.strip().lower() != "none"  # which unsets
)


@given(prompt=WORDS, prompts=st.lists(WORDS.map(str.strip)), rate=st.floats(1e-9, 10), rank=st.integers(1, 512))
def test_the_command_line_means_what_was_chosen(prompt: str, prompts: list[str], rate: float, rank: int) -> None:
    chosen = {
        "concept": {"instance_prompt": prompt.strip()},
        "sample": {"validation_prompts": prompts},
        "optimizer": {"optimizer": "adamw", "learning_rate": rate},
        "lora": {"rank": rank, "use_dora": True},
        "loss": {"snr_gamma": None},
        "text_encoder": {"text_encoder_lr": "unet"},
        "lint": {"severity": {"IMG002": "info"}},
    }
    words = shlex.split(Recipe(chosen).command_line())
    assert words[:2] == ["loratui", "train"]
    assert parse_flags(words[2:]).tables == chosen


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many"])
def test_a_problem_is_kept_by_its_field_and_does_not_count(text: str) -> None:
    recipe = Recipe({})
    recipe.choose(RANK, text)
    assert isinstance(recipe.problems[RANK], ConfigError)
    assert recipe.all_problems() == (recipe.problems[RANK],)
    assert recipe.compose().config.lora.rank == 16
    recipe.choose(RANK, "8")
    assert recipe.all_problems() == ()


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    recipe = Recipe.for_photos(tmp_path)
    recipe.choose(INSTANCE_PROMPT, 'a "quoted" photo of TOK, [/foo] 日本')
    recipe.choose(Setting("loss", "snr_gamma", ""), "none")
    path = tmp_path / "lora.toml"
    path.write_text(recipe.toml())
    assert Recipe.from_file(path).compose().config == recipe.compose().config


@pytest.mark.slow
async def test_a_run_is_started_watched_left_and_attached_to_again(photos: Path) -> None:
    app = app_on(photos)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "4", *keys_to("Model"))
        for value in ("tiny", "64", "40"):
            await write(pilot, value)
            await pilot.press("enter", "j", "enter")
        await go(pilot, "escape", "s")
        await wait_for(pilot, lambda: app.current_mode == "train")
        monitor = app.project.monitor
        assert monitor is not None
        await wait_for(pilot, lambda: monitor.step > 0)
        await pilot.press("q")
    assert monitor.run.is_alive()
    again = app_on(photos)
    async with again.run_test(notifications=True, size=WIDE) as pilot:
        text = await go(pilot, "5")
        assert monitor.name in text
        await go(pilot, "enter")
        await wait_for(pilot, lambda: again.project.monitor is not None and again.project.monitor.state == "finished")
        await sees(pilot, "finished", "verified", f"{monitor.name}.safetensors")
        assert again.project.monitor is not None
        assert [step for step, _ in again.project.monitor.losses] == list(range(1, 41))
