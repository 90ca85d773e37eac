"""What a script learns about runs that have ended: how two of them differ, and where a run's files go."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from engine.config import TrainConfig, save_config
from engine.errors import EngineError
from engine.results.files import scp_line
from engine.rundir import RunDir
from loratui.commands import compare, results
from tests import run_events
from tests.loratui.made_runs import made_run, started

app = Typer()
for command in (compare.compare, results.files):
    app.command()(command)


def run(*arguments: object) -> str:
    """The stdout of a command, in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def trained(runs: Path, name: str, loss: float, **sections: object) -> RunDir:
    made = made_run(runs, name, "finished", [started(name), run_events.step(1, loss)])
    save_config(TrainConfig.model_validate(sections), made.config_file)
    return made


def test_two_runs_differ_in_settings_and_numbers(tmp_path: Path) -> None:
    trained(tmp_path, "one", 0.5)
    trained(tmp_path, "other", 0.25, lora={"rank": 4}, sample={"num_inference_steps": 9})
    told = json.loads(run("compare", "one", "other", "--json", "--runs-dir", tmp_path))
    assert [each["loss"] for each in told["runs"]] == [0.5, 0.25]
    assert [(each["name"], each["now"]) for each in told["differences"]] == [
        ("lora.rank", "4"),
        ("sample.num_inference_steps", "9"),  # it changes nothing that is learned
    ]
    table = run("compare", "one", "other", "--runs-dir", tmp_path)
    assert "lora.rank" in table and "0.25" in table


def test_equal_runs_are_said_to_be_equal(tmp_path: Path) -> None:
    trained(tmp_path, "one", 0.5)
    trained(tmp_path, "other", 0.5)
    assert "the same settings" in run("compare", "one", "other", "--runs-dir", tmp_path)


def test_photos_and_captions_are_compared_where_checkpoints_tell_them(finished_run: Path, tmp_path: Path) -> None:
    told = json.loads(run("compare", finished_run, finished_run, "--json"))
    assert told["differences"] == []
    trained(tmp_path, "untold", 0.5)
    told = json.loads(run("compare", finished_run, tmp_path / "untold", "--json"))
    assert all("." in each["name"] for each in told["differences"])


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no run 'nothing'"):
        run("compare", "nothing", "nothing", "--runs-dir", tmp_path)


def test_files_are_listed_with_where_they_go(tmp_path: Path) -> None:
    made = trained(tmp_path, "dog", 0.5)
    for name in ("dog.safetensors", "dog_emb.safetensors", "pytorch_lora_weights.safetensors", "README.md"):
        (made.output / name).write_bytes(bytes(2000))
    told = json.loads(run("files", "dog", "--json", "--runs-dir", tmp_path))
    assert [Path(file["path"]).name for file in told["files"]][-1] == "README.md"
    places = {tool["name"]: [place["folder"] for place in tool["places"]] for tool in told["tools"]}
    assert places["ComfyUI"] == ["models/loras", "models/embeddings"]
    assert "embedding:dog_emb" in told["tools"][1]["prompt"]
    words = run("files", "dog", "--runs-dir", tmp_path)
    assert "dog.safetensors  into models/Lora" in words and f":{made.output}" in words


def test_a_run_without_files_has_nothing_to_fetch(tmp_path: Path) -> None:
    trained(tmp_path, "dog", 0.5)
    assert json.loads(run("files", "dog", "--json", "--runs-dir", tmp_path))["scp"] is None


@pytest.mark.parametrize(
    ("connection", "line"),
    [
        ("10.0.0.1 5000 203.0.113.7 22", "scp -r {user}@203.0.113.7:/runs/dog/output ."),
        ("10.0.0.1 5000 203.0.113.7 2222", "scp -r -P 2222 {user}@203.0.113.7:/runs/dog/output ."),
        ("fe80::2 5000 fe80::1 22", "scp -r '{user}@[fe80::1]:/runs/dog/output' ."),
    ],
)
def test_the_line_that_fetches_names_the_address_of_the_session(
    connection: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert scp_line(Path("/runs/dog/output"), {"SSH_CONNECTION": connection}) == line.format(user="ann")


def test_a_folders_name_is_quoted_in_the_line_that_fetches() -> None:
    assert scp_line(Path("/my runs/$(x)"), {}).endswith(":/my runs/$(x)' .")
