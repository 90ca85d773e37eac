r"""Text from outside is shown, not obeyed: control sequences, direction marks and markup, in every command's output.

Screens: tests/loratui/test_tui_walk.py; reports of lint: tests/curation/test_formats.py; here the commands, and the
places that only this text reaches.
"""

import io
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from curation.dataset import open_dataset, save_captions
from curation.text import visible
from engine.config import TrainConfig
from engine.events import Checkpoint, EventWriter, Failed, Phase, Sample, Skipped, Started, Verified, Warned
from engine.models.names import give_name
from engine.rundir import RunDir, Status, create_run
from engine.training.weights import write_safetensors
from loratui.cli import main
from loratui.command_line import app
from loratui.runs.live import panels
from loratui.runs.monitor import Monitor

# Markup of rich and Textual, CSI, OSC 0 and 8, DCS, C1, direction marks, bell, line ends, BOM, a deletion.
EVIL = (
    "[/x][red][link=x]\x1b[31m\x1b]0;owned\x07\x1b]8;;http:e\x1b\\l\x1bPq\x9b31m\x9d0;t\x9c"
    "\u202egnp\u2066\u200f\r\n\x08\ufeff\x7f"
)


def is_harmless(text: str) -> bool:
    """Whether a terminal only draws it."""
    return all(one == "\n" or unicodedata.category(one) not in ("Cc", "Cf", "Zl", "Zp") for one in text)


@settings(deadline=None)
@given(text=st.text())
def test_whatever_is_made_visible_is_harmless_and_in_one_line(text: str) -> None:
    assert is_harmless(visible(text).replace("\u200d", "")) and "\n" not in visible(text)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command in this process as `loratui` does; returns what it wrote to stdout and stderr."""

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr("sys.argv", ["loratui", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err and ended.value.code in (0, 1, 2), err
        return out + err

    return run


@pytest.fixture
def hostile(photos: Path) -> Path:
    """A folder of photos in which every name, caption and reason is hostile."""
    name = EVIL.replace("/", "|")
    root = photos.rename(photos.parent / name)
    (root / "cat.png").rename(root / f"{name}.png")
    (root / "broken\x1b[31m.jpg").write_bytes(b"no photo")
    save_captions(open_dataset(root), {f"{name}.png": EVIL, "coffee.png": f"a {EVIL}"}, f"by {EVIL}")
    return root


COMMANDS = [
    ("lint", "PHOTOS"),
    *(("lint", "PHOTOS", "--format", kind) for kind in ("concise", "json", "github", "sarif", "html")),
    ("lint", "PHOTOS", "--statistics"),
    ("lint", "PHOTOS", "--diff", "--unsafe-fixes"),
    ("caption", "list", "PHOTOS"),
    ("caption", "list", "PHOTOS", "--format", "json"),
    ("caption", "prefix", "PHOTOS", f"--all={EVIL}"),
    ("history", "PHOTOS"),
    ("history", "PHOTOS", "--format", "json"),
    ("suppress", "PHOTOS", "FIL001", "--photo", EVIL, "--reason", EVIL),
    ("exclude", "PHOTOS", EVIL, "--reason", EVIL),
    ("exclude", "PHOTOS", "coffee.png", "--reason", EVIL),
    ("undo", "PHOTOS"),
    ("init", "PHOTOS", "--kind", "person"),
    ("explain", EVIL),
    ("models", "path", EVIL),
    ("models", "rm", EVIL),
    ("models", "list"),
    ("attach", EVIL),
    ("log", EVIL),
    ("runs", "--runs-dir", EVIL),
    ("config", "show", EVIL),
    ("config", "show", "--set", f"concept.instance_prompt={EVIL}"),
    ("config", "show", "--set", f"{EVIL}=1"),
    ("train", f"--{EVIL}=1"),
    ("train", "--dry-run", "--instance_data_dir=PHOTOS", f"--instance_prompt={EVIL}"),
    ("train", "--dry-run", "--instance_data_dir=PHOTOS", "--instance_prompt=a TOK", "--class_prompt", EVIL),
    ("train", "--dry-run", f"--instance_data_dir={EVIL}", f"--pretrained_model_name_or_path={EVIL}"),
]


def test_no_command_obeys_what_stands_in_names_captions_and_settings(
    hostile: Path, said: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    named = shutil.copytree(hostile, tmp_path / f"model {EVIL.replace('/', '|')}")
    give_name("mine", named)
    for command in COMMANDS:
        written = said(*(part.replace("PHOTOS", str(hostile)).replace("\0", "") for part in command))
        assert written and is_harmless(written), (command, written)


def test_a_lora_toml_and_a_checkpoint_are_quoted_harmlessly(
    photos: Path, said: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{EVIL.replace('/', '|')}.safetensors"
    metadata = {"modelspec.prediction_type": EVIL, "modelspec.title": EVIL, "ss_tag_frequency": EVIL}
    write_safetensors(path, {EVIL: torch.zeros(1)}, metadata)
    model = {"pretrained_model_name_or_path": str(path), "revision": EVIL}
    settings = {"data": {"instance_data_dir": str(photos)}, "concept": {"instance_prompt": EVIL}, "model": model}
    import tomlkit

    Path("lora.toml").write_text(tomlkit.dumps(settings), newline="")
    for command in (["train", "lora.toml", "--dry-run"], ["config", "show", "lora.toml"], ["models", "add", str(path)]):
        assert is_harmless(said(*command))
    Path("lora.toml").write_text(tomlkit.dumps({EVIL: 1, "lora": {EVIL: 2, "rank": EVIL}}), newline="")
    assert is_harmless(said("config", "show", "lora.toml"))


@pytest.fixture
def told(tmp_path: Path) -> RunDir:
    """A run whose every event, status and log line is hostile."""
    run = create_run(tmp_path / "runs", "cat", TrainConfig())
    writer = EventWriter(run.events_file)
    for event in (
        Started(name=EVIL, pid=1, step=0, total_steps=9, pivot_step=None, photos=1, device=EVIL),
        Phase(phase=EVIL),
        Warned(message=EVIL),
        Skipped(step=1, reason=EVIL, photos=[EVIL]),
        Sample(step=1, path=EVIL, prompt=EVIL),
        Checkpoint(step=1, path=EVIL),
        Verified(ok=False, message=EVIL, files=[EVIL], tensors=1, difference=0.0),
        Failed(problem=EVIL, remedy=EVIL),
    ):
        writer.write(event)
    run.write_status(Status(state="failed", message=EVIL))
    run.log_file.write_text(f"{EVIL}\n" * 3, newline="")
    return run


def test_what_a_run_says_is_shown_harmlessly(told: RunDir, said: Callable[..., str]) -> None:
    for command in ("attach", "log"):
        assert is_harmless(said(command, "cat", "--runs-dir", told.path.parent))
    assert is_harmless(said("runs", "--runs-dir", told.path.parent))
    assert is_harmless(said("runs", "--json", "--runs-dir", told.path.parent))


def test_the_panels_of_a_run_in_a_terminal(told: RunDir) -> None:
    monitor = Monitor(told)
    monitor.refresh()
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(panels(monitor, 100))
    text = console.export_text()
    assert is_harmless(text) and "[red]" in text


def test_usage_errors_quote_what_was_typed_harmlessly(hostile: Path) -> None:
    """A shell writes file names in the place of *, so that they are what was typed."""
    for arguments in (["lint", str(hostile), hostile.name], ["caption", "list", "--format", EVIL], [EVIL]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2 and is_harmless(done.output), arguments


def test_reports_are_json_that_carries_the_text_unchanged(hostile: Path, said: Callable[..., str]) -> None:
    rows = json.loads(said("caption", "list", hostile, "--format", "json"))["photos"]
    assert EVIL in [row["caption"] for row in rows]
