"""[lint] in lora.toml: typed and strict like every other section, though it holds tables."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.config import compose, load_config, load_frozen, to_toml
from engine.errors import ConfigError
from loratui.command_line import app
from loratui.flags import parse_settings

WHOLE = """
[lint]
select = ["IMG", "DUP"]
extend_select = ["CAP001"]
ignore = ["IMG001"]
fail_on = "warning"

[lint.severity]
DUP = "info"
IMG002 = "error"

[lint.params.IMG002]
blurred_below = 40
soft_below = 99.5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "lora.toml"
    path.write_text(text)
    return path


def test_it_says_which_rules_apply_how_severely_and_with_which_thresholds(tmp_path: Path) -> None:
    lint = load_config(write(tmp_path, WHOLE)).lint
    selection = lint.selection()
    assert lint.fail_on == "warning"
    assert (selection.select, selection.extend_select, selection.ignore) == (("IMG", "DUP"), ("CAP001",), ("IMG001",))
    assert selection.severity_of("IMG002", "info") == "error"
    blurred = next(rule for rule in selection.rules("object") if rule.code == "IMG002")
    assert (blurred.params["blurred_below"], blurred.params["soft_below"]) == (40, 99.5)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, WHOLE))
    again = write(tmp_path, to_toml(config))
    assert load_config(again) == config
    assert load_frozen(again) == config
    (lora := tmp_path / "few.toml").write_text(to_toml(config, only={"lint.severity", "lint.ignore"}))
    assert load_config(lora).lint.severity == {"DUP": "info", "IMG002": "error"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[lint]\nignor = ["IMG"]', "nearest known one is 'ignore'"),
        ('[lint]\nignore = ["IMG02"]', "Did you mean IMG002"),
        ('[lint]\nignore = "IMG"', "line 2: lint.ignore"),
        ('[lint]\nfail_on = "eror"', "line 2: lint.fail_on"),
        ('[lint.severity]\nIMG002 = "eror"', "line 1: lint.severity.IMG002 = 'eror'"),
        ('[lint.severity]\nIMK = "error"', "IMK"),
        ('[lint.params.IMG002]\nblurred_below = "40"', "line 1: lint.params.IMG002.blurred_below = '40'"),
        ("[lint.params.IMG002]\nblurred_below = nan", "lint.params.IMG002.blurred_below"),
        ("[lint.params.IMG002]\nblurred_belov = 40", "Did you mean blurred_below"),
        ("[lint.params.IMG002]\nblurred_below = true", "lint.params.IMG002.blurred_below"),
        ("[lint.params]\nIMG002 = 4", "lint.params.IMG002"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert said in str(caught.value)


def test_a_frozen_config_is_read_though_a_rule_has_other_thresholds_by_now(tmp_path: Path) -> None:
    assert load_frozen(write(tmp_path, "[lint.params.IMG002]\nof_old = 1")).lint.params == {"IMG002": {"of_old": 1}}


def test_set_takes_lists_and_tables() -> None:
    flags = parse_settings(
        ["lint.ignore=IMG, CAP001", 'lint.severity={DUP = "info"}', "lint.params={SET001={group=4}}"]
    )
    lint = compose(flags=flags.tables).config.lint
    assert (lint.ignore, lint.severity, lint.params) == (["IMG", "CAP001"], {"DUP": "info"}, {"SET001": {"group": 4}})
    for wrong in ("lint.severity=info", "lint.severity={DUP = }", "lint.ignore=IMG9"):
        with pytest.raises(ConfigError):
            compose(flags=parse_settings([wrong]).tables)


def test_config_show_prints_it(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["config", "show", str(write(tmp_path, WHOLE)), "--json"], catch_exceptions=False)
    values = {row["name"]: row["value"] for row in json.loads(shown.stdout)["settings"]}
    assert values["lint.params"] == {"IMG002": {"blurred_below": 40, "soft_below": 99.5}}
    assert values["lint.fail_on"] == "warning"
