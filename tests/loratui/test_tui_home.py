"""Home: recent folders, runs alive and ended, what the machine has, and a path that completes."""

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.machine import gpu_facts
from loratui.photos.path_completion import begun_anew, complete
from loratui.project import Project
from loratui.recipe import Setting
from loratui.user.recent import MOST_KEPT, forget_folder, recent_file, recent_folders, remember_folder
from tests.loratui.made_runs import made_run, started, step
from tests.loratui.tui import NARROW, WIDE, go, screen_text, sees, wait_for

SEED = Setting("run", "seed", "Seed")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lora.toml and runs belong to the current folder."""
    monkeypatch.chdir(tmp_path)


def home(runs_dir: Path = Path("runs")) -> LoratuiApp:
    """The app as `loratui` starts it where there is no lora.toml."""
    return LoratuiApp(Project(runs_dir), "home")


@pytest.mark.parametrize("size", [NARROW, WIDE, (180, 50)])
async def test_the_first_evening_is_told_what_to_do(size: tuple[int, int]) -> None:
    async with home().run_test(notifications=True, size=size) as pilot:
        await sees(pilot, "opens a folder of photos", "loratui demo", "Open folder", "free")
        assert pilot.app.screen.max_scroll_y == 0


@pytest.mark.parametrize("size", [NARROW, WIDE, (180, 50)])
async def test_folders_and_runs_of_before_are_listed(photos: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    gone = tmp_path / "gone [red]"
    for folder in (gone, photos):
        remember_folder(folder, 4, tmp_path / "elsewhere")
    made_run(tmp_path / "elsewhere", "far", "finished", [started("far"), step(10)])
    made_run(tmp_path / "runs", "near", "stopped", [started("near"), step(5)])
    with made_run(tmp_path / "runs", "now", "running", [started("now"), step(7)]).lock():
        async with home().run_test(notifications=True, size=size) as pilot:
            await sees(pilot, "photos", "gone [red] (gone)", "far", "near", "1 alive, 2 ended")
            text = screen_text(pilot)
            assert "finished" in text and "stopped" in text and "running" in text
            assert text.index("now") < text.index("near")


async def test_a_paused_run_is_neither_alive_nor_ended(tmp_path: Path) -> None:
    made_run(tmp_path / "runs", "near", "stopped", [started("near"), step(5)])
    made_run(tmp_path / "runs", "later", "paused", [started("later"), step(7)])
    async with home().run_test(size=NARROW) as pilot:
        await sees(pilot, "1 paused, 1 ended")


async def test_who_comes_back_sees_how_long_ago_things_are_now(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_folder(photos, 4, Path("runs"))
    async with home().run_test(size=NARROW) as pilot:
        await sees(pilot, "photos", "s ago")
        now = time.time() + 7200
        monkeypatch.setattr("loratui.screens.home.time", SimpleNamespace(time=lambda: now))
        await go(pilot, "L", "0")
        await sees(pilot, "2h00m ago")


async def test_a_recent_folder_opens_with_enter(photos: Path, tmp_path: Path) -> None:
    remember_folder(photos, 4, tmp_path / "runs")
    async with home().run_test(notifications=True, size=NARROW) as pilot:
        await sees(pilot, "Recent folders", f" {photos.name} ")
        await go(pilot, "enter")
        assert pilot.app.current_mode == "photos"
        await sees(pilot, "astronaut.png")


async def test_the_open_folder_opened_once_more_keeps_the_recipe(photos: Path) -> None:
    project = Project(Path("runs"))
    project.open(photos)
    project.choose(SEED, "7")
    async with LoratuiApp(project, "home").run_test(size=NARROW) as pilot:
        await go(pilot, "o", "ctrl+u", *str(photos), "enter")
        assert pilot.app.current_mode == "photos"
        assert project.recipe.text(SEED) == "7"


async def test_a_recent_folder_that_is_gone_says_so_and_can_be_forgotten(tmp_path: Path) -> None:
    remember_folder(tmp_path / "gone", 4, tmp_path / "runs")
    async with home().run_test(notifications=True, size=WIDE) as pilot:
        await sees(pilot, "(gone)")
        await go(pilot, "enter")
        await sees(pilot, "There is no folder")
        assert pilot.app.current_mode == "home"
        await go(pilot, "x")
        await sees(pilot, "opens a folder of photos")
    assert recent_folders() == []


async def test_enter_attaches_to_a_run(tmp_path: Path) -> None:
    made_run(tmp_path / "runs", "mug", "stopped", [started("mug"), step(5)])
    async with home().run_test(notifications=True, size=WIDE) as pilot:
        await sees(pilot, "mug")
        await go(pilot, "enter")
        assert pilot.app.current_mode == "train"
        await sees(pilot, "mug", "stopped")


async def test_a_run_that_begins_elsewhere_is_seen_on_a_second_look(tmp_path: Path) -> None:
    async with home().run_test(notifications=True, size=WIDE) as pilot:
        await sees(pilot, "opens a folder of photos")
        made_run(tmp_path / "runs", "mug", "stopped", [started("mug"), step(5)])
        await go(pilot, "r")
        await sees(pilot, "mug", "1 ended")


@pytest.mark.parametrize("key", ["o", "n"])
async def test_a_path_is_completed_with_tab_and_opened_with_enter(photos: Path, key: str) -> None:
    async with home().run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, key)
        field = pilot.app.screen.query_one(Input)
        assert field.has_focus and field.value.endswith("/")
        field.value = str(photos)[:-2]
        field.cursor_position = len(field.value)
        await sees(pilot, f"{photos.name}/")
        await pilot.press("tab")
        await wait_for(pilot, lambda: field.value == f"{photos}/")
        await go(pilot, "enter")
        await sees(pilot, "astronaut.png")


@pytest.mark.parametrize("is_pasted", [True, False])
async def test_a_whole_path_behind_the_one_that_is_offered_is_the_path(photos: Path, is_pasted: bool) -> None:
    app = home()
    async with app.run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "o")
        if is_pasted:
            app.post_message(events.Paste(str(photos)))
            await go(pilot)
        else:
            await go(pilot, *str(photos))
        field = app.screen.query_one(Input)
        assert (field.value, field.cursor_position) == (str(photos), len(str(photos)))
        await go(pilot, "enter")
        assert app.current_mode == "photos" and app.project.dataset and app.project.dataset.root == photos


async def test_a_candidate_is_taken_from_the_list(tmp_path: Path) -> None:
    for name in ("ada", "adam", "bo"):
        (tmp_path / "many" / name).mkdir(parents=True)
    async with home().run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "o")
        field = pilot.app.screen.query_one(Input)
        field.value = f"{tmp_path}/many/"
        await sees(pilot, "ada/", "adam/", "bo/")
        await go(pilot, "down", "j", "enter")
        assert field.value == f"{tmp_path}/many/adam/"


async def test_esc_leaves_the_path_and_the_keys_act_again() -> None:
    async with home().run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "o")
        await go(pilot, "escape")
        await go(pilot, "L")
        assert pilot.app.current_mode == "log"


@pytest.mark.parametrize("typed", ["/nowhere", "a" * 300, "~nobody-here/x", "nul\0l"])
async def test_a_path_that_cannot_be_opened_is_told(typed: str) -> None:
    async with home().run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "o")
        pilot.app.screen.query_one(Input).value = typed
        await go(pilot, "enter")
        await sees(pilot, "the path" if typed != "nul\0l" else "path")
        assert pilot.app.current_mode == "home"


# The folders that are remembered


def test_the_folder_opened_last_comes_first_and_each_stands_once(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        remember_folder(tmp_path / name, 3, tmp_path / "runs")
    assert [Path(folder.path).name for folder in recent_folders()] == ["a", "b"]
    forget_folder(str(tmp_path / "a"))
    assert [Path(folder.path).name for folder in recent_folders()] == ["b"]


def test_no_more_than_a_screenful_is_remembered(tmp_path: Path) -> None:
    for number in range(MOST_KEPT + 5):
        remember_folder(tmp_path / str(number), 3, tmp_path / "runs")
    assert len(recent_folders()) == MOST_KEPT


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"folders": [{"path": 3}]}', '{"folders": 1}'])
def test_a_damaged_memory_is_none(damage: str, tmp_path: Path) -> None:
    recent_file().parent.mkdir(parents=True, exist_ok=True)
    recent_file().write_text(damage)
    assert recent_folders() == []
    remember_folder(tmp_path, 3, tmp_path / "runs")
    assert len(recent_folders()) == 1


def test_a_state_folder_that_cannot_be_written_keeps_nobody_from_opening(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    project = Project(tmp_path / "runs")
    project.open(photos)
    assert project.dataset


# Completion


def test_a_path_is_completed_as_far_as_all_agree(tmp_path: Path) -> None:
    for name in ("portraits-ada", "portraits-bo", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "portraits.txt").write_text("")
    assert complete(f"{tmp_path}/p").text == f"{tmp_path}/portraits-"
    assert complete(f"{tmp_path}/portraits-a").text == f"{tmp_path}/portraits-ada/"
    assert complete(f"{tmp_path}/").folders == ("portraits-ada", "portraits-bo")
    assert complete(f"{tmp_path}/.h").text == f"{tmp_path}/.hidden/"
    assert complete(f"{tmp_path}/x").text == f"{tmp_path}/x"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/here//photos/of", "/photos/of"),
        ("/here/~/photos", "~/photos"),
        ("~/here//photos", "/photos"),
        ("/a//b/~/c//d", "/d"),
        ("file:///photos", "/photos"),
        ("//", "/"),
        ("/here/~backup/x~/y", "/here/~backup/x~/y"),
        ("here/~", "here/~"),
    ],
)
def test_what_is_typed_behind_a_path_begins_anew(text: str, path: str) -> None:
    assert begun_anew(text) == path


@given(st.text("/~ab"))
def test_what_was_begun_last_is_the_end_of_the_text_and_begins_nothing_anew(text: str) -> None:
    path = begun_anew(text)
    assert text.endswith(path) and begun_anew(path) == path


def test_one_s_home_stays_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    assert complete("~").text == "~/"
    assert complete("~/ph").text == "~/photos/"


@given(st.text(max_size=30))
def test_whatever_is_typed_is_only_ever_typed_on(text: str) -> None:
    assert complete(text).text.startswith(text)


def test_a_folder_of_many_is_completed_at_once(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:05}").mkdir()
    began = time.monotonic()
    assert len(complete(f"{tmp_path}/").folders) == 3000
    assert time.monotonic() - began < 5
    shutil.rmtree(tmp_path)
    os.mkdir(tmp_path)  # noqa: PTH102


# The machine


def test_free_memory_of_each_gpu_is_told() -> None:
    facts = gpu_facts(["NVIDIA H200, 140000, 143771", "NVIDIA A2, [N/A], [N/A]"])
    assert [fact.text for fact in facts] == ["NVIDIA H200, 137 of 140 GiB free", "NVIDIA A2, memory unknown"]
    assert [fact.sign for fact in gpu_facts([])] == ["attention"]
