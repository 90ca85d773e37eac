"""The user's own config.toml: what it holds, and what is said of one that cannot be used."""

import json
from pathlib import Path

import pytest

from curation.errors import StatedError
from loratui.user.keymap import TAKEN, actions_of, checked_keymap, key_name, owners
from loratui.user.preferences import Preferences, PreferencesError, load_preferences, preferences_file, save_theme
from tests.loratui.program import run_loratui


def written(text: str) -> Path:
    """The user's config.toml with this text."""
    path = preferences_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load_preferences() == Preferences()


def test_what_the_file_says_holds() -> None:
    looks = '[ui]\ntheme = "nord"\nrefresh_seconds = 3\nmouse = false\n'
    written(f'{looks}[keys]\nphotos.open = "ctrl+o"\n"app.log" = ["l", "L"]')
    preferences = load_preferences()
    assert (preferences.ui.theme, preferences.ui.refresh_seconds, preferences.ui.mouse) == ("nord", 3.0, False)
    assert preferences.keys == {"photos.open": "ctrl+o", "app.log": ["l", "L"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[ui]\nthemes = "nord"', "unknown key ui.themes; the nearest known one is 'theme'"),
        ('[ui]\nglyphs = "latin"', "ui.glyphs is 'latin'"),
        ("[ui]\nrefresh_seconds = 0", "ui.refresh_seconds is 0"),
        ("[ui]\nmouse = 1", "ui.mouse is 1"),
        ("[keys]\n'app.log' = 3", "keys.app.log"),
        ("keys = 3", "keys is 3"),
        ("[ui", "cannot be read"),
        ('colour = "red"', "unknown key colour"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_two_sentences(text: str, said: str) -> None:
    written(text)
    with pytest.raises(PreferencesError) as refused:
        load_preferences()
    assert said in refused.value.problem
    assert refused.value.remedy.endswith(".")


def test_a_theme_is_kept_and_nothing_else_changes() -> None:
    path = written("# mine\n[ui]\nmouse = false  # tmux has it\n")
    save_theme("nord")
    assert load_preferences().ui.theme == "nord"
    assert path.read_text("utf-8").startswith("# mine\n[ui]\nmouse = false  # tmux has it\n")


def test_a_theme_for_a_new_user_makes_the_file() -> None:
    save_theme("gruvbox")
    assert load_preferences().ui.theme == "gruvbox"


def test_a_theme_that_cannot_be_kept_is_told() -> None:
    written("[ui")
    with pytest.raises(PreferencesError, match="could not be kept"):
        save_theme("nord")


# Keys


def test_an_action_gets_the_keys_that_were_asked_for() -> None:
    keymap, problems = checked_keymap({"log.copy": "c", "home.open": ["ctrl+o", "w"]})
    assert (keymap, problems) == ({"log.copy": "c", "home.open": "ctrl+o,w"}, [])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"log.copi": "c"}, "log.copi is no action; the nearest known one is 'log.copy'"),
        ({"log.copy": "ctrl+b"}, "tmux takes it"),
        ({"log.copy": ""}, "log.copy has no key"),
        ({"log.copy": []}, "log.copy has no key"),
        ({"log.copy": "/"}, "also that of log.filter"),
        ({"log.copy": "?"}, "also that of app.help"),
    ],
)
def test_a_key_that_cannot_be_had_is_told_and_the_default_stays(wanted: dict[str, str | list[str]], said: str) -> None:
    keymap, problems = checked_keymap(wanted)
    assert keymap == {}
    assert said in str(problems[0])


def test_two_actions_may_change_their_keys_with_each_other() -> None:
    keymap, problems = checked_keymap({"log.copy": "slash", "log.filter": "y"})
    assert (keymap, problems) == ({"log.copy": "slash", "log.filter": "y"}, [])


def test_of_two_actions_that_want_one_key_the_second_gets_it() -> None:
    keymap, problems = checked_keymap({"log.copy": "c", "log.copy_path": "c"})
    assert keymap == {"log.copy_path": "c"}
    assert isinstance(problems[0], StatedError)


def test_the_same_key_on_two_screens_is_no_clash() -> None:
    assert checked_keymap({"log.copy": "x"})[1] == []  # Home's x


def test_every_binding_has_an_id_of_its_own_a_short_title_and_a_meaning() -> None:
    actions = [action for kind in owners() for action in actions_of(kind)]
    assert not [action for action in actions if not action.id]
    named = {(action.id, action.action) for action in actions}
    assert len({id for id, _ in named}) == len(named)
    assert not [action.id for action in actions if not 1 <= len(action.title) <= 14]
    assert not [action.id for action in actions if not action.meaning]


def test_no_key_is_one_that_never_arrives() -> None:
    for action in (action for kind in owners() for action in actions_of(kind)):
        assert set(action.keys) - TAKEN.keys(), action.id  # such a key may stand beside another


@pytest.mark.parametrize(
    ("key", "name"), [("question_mark", "?"), ("slash", "/"), ("escape", "esc"), ("ctrl+p", "ctrl+p"), ("G", "G")]
)
def test_keys_are_called_as_they_are_printed_on_them(key: str, name: str) -> None:
    assert key_name(key) == name


def test_the_command_lists_keys_and_tells_what_is_wrong(tmp_path: Path) -> None:
    written('[keys]\n"log.copy" = "c"\n"log.filter" = "ctrl+b"\n')
    done = run_loratui("config", "keys", "--json")
    told = json.loads(done.stdout)
    keys = {action["id"]: action["keys"] for action in told["actions"]}
    assert (keys["log.copy"], keys["log.filter"]) == (["c"], ["slash"])
    assert done.returncode == 1 and "tmux takes it" in told["problems"][0]
    assert told["file"] == str(preferences_file())
