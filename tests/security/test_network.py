"""Nothing with a face leaves the box unasked: local work opens no connection, and nothing is sent by itself."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from curation.dataset import open_dataset
from curation.formats import render
from curation.lint import lint
from curation.telemetry import OFF, switch_off
from engine.config import compose
from engine.preflight import preflight
from tests.security.sealed import sealed
from tests.security.source import calls, imports

# Each as `loratui` would run it, one after another in one process: starting it anew takes a second each time.
COMMANDS = """
import sys
from loratui.cli import main

for line in sys.stdin.read().splitlines():
    sys.argv = ["loratui", *line.split("|")]
    try:
        main()
    except SystemExit as ended:
        print(line, ended.code, file=sys.stderr)
"""


@pytest.mark.slow
def test_commands_on_local_data_try_no_connection(photos: Path, tmp_path: Path) -> None:
    env, tried = sealed(tmp_path / "home")
    lines = [
        *(f"lint|{photos}|--kind|person|--format|{kind}" for kind in ("text", "json", "github", "sarif", "html")),
        f"lint|{photos}|--fix",
        f"caption|list|{photos}",
        f"caption|prefix|{photos}|a photo of ",
        f"caption|template|{photos}|a photo of TOK",
        f"exclude|{photos}|cat.png|--reason|dark",
        f"include|{photos}|cat.png",
        f"history|{photos}",
        f"undo|{photos}",
        f"redo|{photos}",
        "explain|DUP001",
        f"init|{photos}|--kind|person|--set|model.pretrained_model_name_or_path=tiny",
        "config|show|lora.toml",
        "train|lora.toml|--dry-run",
        "models|list",
        "models|path|mini",
        "runs",
    ]
    script = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input="\n".join(lines),
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in script.stderr and "Network" not in script.stderr, script.stderr
    ended = re.findall(r"^(\w+)\|?.* (\d+|None)$", script.stderr, re.MULTILINE)
    assert len(ended) == len(lines) and all(code in ("0", "1", "None") for _, code in ended), script.stderr
    assert not tried.exists(), tried.read_text()


def test_the_guard_sees_a_connection_and_a_question_for_an_address(tmp_path: Path) -> None:
    env, tried = sealed(tmp_path / "home")
    for call in ("create_connection(('192.0.2.1', 9), 1)", "getaddrinfo('huggingface.co', 443)"):
        done = subprocess.run([sys.executable, "-c", f"import socket; socket.{call}"], env=env, capture_output=True)
        assert done.returncode == 1 and b"unreachable" in done.stderr
    assert len(tried.read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_dataset_on_this_disk_is_read_without_a_word_to_the_hub(photos: Path, tmp_path: Path) -> None:
    """`datasets` counts each load on a server of its maker's, if it may."""
    from datasets import Dataset, Image

    content = (photos / "cat.png").read_bytes()
    rows = Dataset.from_dict({"image": [{"bytes": content, "path": "cat.png"}]}).cast_column("image", Image())
    (tmp_path / "saved").mkdir()
    rows.to_parquet(tmp_path / "saved" / "train.parquet")
    env, tried = sealed(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-m", "loratui", "lint", tmp_path / "saved", "--format", "json"],
        env=env,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["photos"] == 1, done.stderr
    assert not tried.exists(), tried.read_text()


def test_what_libraries_report_home_is_off_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in OFF:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("WANDB_CONSOLE", "wrap")
    switch_off()
    assert {variable: os.environ[variable] for variable in OFF} == {**OFF, "WANDB_CONSOLE": "wrap"}


def test_it_is_switched_off_before_a_library_is_imported(tmp_path: Path) -> None:
    """In the program and in the worker, where each asks what is set when it is imported."""
    for door in (
        "from loratui.cli import main; sys.argv = ['loratui', 'explain', 'DUP001']; main()",
        "from engine.worker import main; main([])",
    ):
        code = f"import sys\ntry:\n    {door.replace('; ', chr(10) + '    ')}\nexcept SystemExit:\n    pass\n"
        code += "assert 'huggingface_hub' not in sys.modules\nfrom huggingface_hub import constants\n"
        code += "assert constants.HF_HUB_DISABLE_TELEMETRY"
        env, _ = sealed(tmp_path / str(len(code)))
        subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)


def test_push_to_hub_says_how_to_upload_and_uploads_nothing(photos: Path) -> None:
    settings = {
        "data": {"instance_data_dir": str(photos)},
        "model": {"pretrained_model_name_or_path": "tiny"},
        "concept": {"instance_prompt": "a TOK"},
        "output": {"push_to_hub": True},
    }
    warnings = preflight(compose(flags=settings).config).warnings
    assert any("stay in output" in warning and "hf upload" in warning for warning in warnings)


def test_one_module_sends_files_and_few_may_speak_at_all() -> None:
    for name in ("upload_file", "upload_folder", "upload_large_folder", "create_commit", "push_to_hub", "create_repo"):
        senders = {path for path, _ in calls(name)}
        assert senders <= {"engine/box/hub_upload.py"}, name  # for `sync_to = "hub:USER/NAME"`, which is asking for it
    speaking = {"socket", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "websockets"}
    asking = {path for path, name in imports() if name.partition(".")[0] in speaking and name != "urllib.parse"}
    assert asking <= {
        "curation/face_pack_download.py",  # fetches a face pack
        "loratui/doctor.py",  # asks whether the hub answers
        "engine/box/webhook.py",  # tells of a run's end where `notify_webhook` says
    }


def test_a_report_shows_no_picture_unless_it_is_the_page_with_pictures(photos: Path) -> None:
    report = lint(open_dataset(photos), "person")
    for kind in ("text", "concise", "json", "github", "sarif"):
        assert "base64" not in render(report, kind, lambda done, total: None)
    kept = b"".join(path.read_bytes() for path in (photos / ".loratui").rglob("*") if path.is_file())
    for picture in (b"\xff\xd8\xff", b"\x89PNG", b"WEBP", base64.b64encode(b"\xff\xd8\xff")):
        assert picture not in kept
    page = render(report, "html", lambda done, total: None)
    assert "default-src 'none'" in page and "<script" not in page
    assert not re.search(r"(src|href)=|@import|url\((?!data:)", page), "it loads nothing, and runs nothing"
