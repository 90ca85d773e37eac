"""`init` writes a lora.toml that trains; `config show` says what every setting is and why."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.errors import StatedError
from engine.config import load_config
from loratui.command_line import app

runner = CliRunner()


def test_init_writes_what_was_asked_and_prints_only_the_path(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "lora.toml"
    done = runner.invoke(
        app,
        [
            *("init", str(photos), "--kind", "person", "--output", str(output)),
            *("--set", "run.max_train_steps=7", "--set", "concept.instance_prompt=a photo of TOK woman"),
        ],
    )
    assert done.exit_code == 0 and done.stdout == f"{output}\n"
    config = load_config(output)
    assert (config.concept.kind, config.concept.instance_prompt) == ("person", "a photo of TOK woman")
    assert (config.data.instance_data_dir, config.run.max_train_steps) == (str(photos), 7)


def test_inits_instance_prompt_names_the_trigger_word(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "lora.toml"
    runner.invoke(app, ["init", str(photos), "--output", str(output), "--set", "concept.token_abstraction=ZRK"])
    assert load_config(output).concept.instance_prompt == "a photo of ZRK"


def test_what_init_says_comes_next_can_be_pasted(photos: Path, tmp_path: Path) -> None:
    odd = photos.rename(tmp_path / "my [red] photos")
    done = runner.invoke(app, ["init", str(odd), "--output", str(tmp_path / "lora.toml")])
    command = done.stderr.removeprefix("Next: ").partition(", then")[0]
    assert shlex.split(command) == ["loratui", "lint", str(odd), "--kind", "object"]


def test_init_does_not_overwrite_unless_told(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "lora.toml"
    output.write_text("# mine\n")
    done = runner.invoke(app, ["init", str(photos), "--output", str(output)])
    assert isinstance(done.exception, StatedError) and "--force" in done.exception.remedy
    assert output.read_text() == "# mine\n"
    assert runner.invoke(app, ["init", str(photos), "--output", str(output), "--force"]).exit_code == 0


def test_config_show_says_where_each_value_came_from(tmp_path: Path) -> None:
    path = tmp_path / "lora.toml"
    path.write_text("[concept]\nkind = 'person'\n[lora]\nrank = 8\n")
    done = runner.invoke(app, ["config", "show", str(path), "--json", "--set", "run.seed=5"])
    shown = json.loads(done.stdout)
    assert shown["version"] == 1
    settings = {setting["name"]: (setting["value"], setting["origin"]) for setting in shown["settings"]}
    assert settings["lora.rank"] == (8, str(path))
    assert settings["run.seed"] == (5, "flag")
    assert settings["run.steps_per_photo"] == (120, "preset person")
    assert settings["loss.snr_gamma"] == (5.0, "default")
    assert settings["optimizer.learning_rate"] == (1.0, "the guide's, for the other settings")


def test_config_show_prints_markup_in_a_prompt_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "lora.toml"
    path.write_text("[concept]\ninstance_prompt = 'a [red]TOK[/red] [/foo]'\n")
    done = runner.invoke(app, ["config", "show", str(path)])
    assert "a [red]TOK[/red] [/foo]" in done.stdout


@pytest.mark.parametrize("arguments", [["--set", "lora.rnk=3"], ["--set", "lora.rank=x"], ["nowhere.toml"]])
def test_config_show_refuses_what_it_cannot_use(arguments: list[str]) -> None:
    done = runner.invoke(app, ["config", "show", *arguments])
    assert isinstance(done.exception, StatedError)


def test_config_explain_tells_what_a_setting_means_its_numbers_and_what_the_guide_says() -> None:
    told = runner.invoke(app, ["config", "explain", "rank"]).stdout
    assert told == runner.invoke(app, ["config", "explain", "lora.rank"]).stdout
    assert "lora.rank = 32" in told and "preset object: 16" in told and "The guide, Face LoRA: " in told
    assert "One of prodigy, adamw, adafactor." in runner.invoke(app, ["config", "explain", "optimizer"]).stdout


def test_config_explain_names_the_nearest_setting() -> None:
    done = runner.invoke(app, ["config", "explain", "rnk"])
    assert isinstance(done.exception, StatedError) and "'rank'" in done.exception.problem
