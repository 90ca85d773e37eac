"""`doctor` tells what this machine can do: JSON for scripts, an exit code, and the line that mends what is broken."""

import fcntl
import http.server
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.models.tiny import build_tiny_sdxl
from loratui.doctor import check_copying, check_disk, check_hub
from tests.loratui.program import run_loratui

NOBODY_LISTENS = "http://127.0.0.1:9"


class AnswersWithAnError(http.server.BaseHTTPRequestHandler):
    """A hub that is there, though not pleased."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), AnswersWithAnError)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def away_from_the_real_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", NOBODY_LISTENS)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


def install_pretended(site: Path, name: str, version: str) -> None:
    """Metadata of an installed package, as pip writes it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def checks(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    answer = json.loads(done.stdout)
    assert answer["version"] == 1
    assert answer["ok"] == (done.returncode == 0) == all(check["level"] != "error" for check in answer["checks"])
    return {check["name"]: check for check in answer["checks"]}


def test_all_is_well_here_and_json_is_all_of_stdout() -> None:
    done = run_loratui("doctor", "--json")
    found = checks(done)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert [name for name in found if found[name]["level"] == "ok"][:5] == [
        *("python", "packages: base", "opencv", "packages: train", "packages: faces")
    ]
    assert set(found) >= {"gpu", "disk", "model hub", "terminal", "tmux", "copies"}
    assert all(set(check) == {"name", "level", "detail", "remedy"} for check in found.values())


def test_a_clash_of_opencvs_and_an_old_package_are_errors_with_the_line_that_mends_them(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install_pretended(site, "opencv-python", "5.0.0.93")
    (site / "cv2").mkdir()
    (site / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    install_pretended(site, "diffusers", "0.35.1")

    done = run_loratui("doctor", "--json", env={**os.environ, "PYTHONPATH": str(site)})
    found = checks(done)
    assert done.returncode == 1
    assert found["opencv"]["level"] == found["packages: train"]["level"] == "error"
    assert "libGL.so.1" in found["opencv"]["detail"]
    assert found["opencv"]["remedy"] == (
        "Run: pip uninstall -y opencv-python opencv-python-headless && pip install 'opencv-python-headless<5'"
    )
    assert "diffusers is 0.35.1, not " in found["packages: train"]["detail"]
    assert found["packages: train"]["remedy"] == "Run: pip install 'loratui[train]'"

    told = run_loratui("doctor", env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "400"})
    assert told.returncode == 1 and found["opencv"]["remedy"] in told.stdout


def test_a_hub_that_answers_anything_can_be_reached(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    assert check_hub().level == "ok"


def test_a_hub_out_of_reach_matters_only_while_the_base_model_is_not_on_disk(tmp_path: Path) -> None:
    repository = tmp_path / "hf" / "hub" / "models--stabilityai--stable-diffusion-xl-base-1.0"
    snapshot = repository / "snapshots" / "abc"
    build_tiny_sdxl(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert check_hub().level == "info" and check_hub().remedy is None

    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").unlink()  # as a download that broke off leaves it
    assert check_hub().level == "warning" and check_hub().remedy
    assert "not on this disk yet" in check_hub().detail


def test_offline_by_choice_is_said_and_asks_nobody(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert check_hub().level == "info" and "HF_HUB_OFFLINE" in check_hub().detail


def test_the_disk_of_a_model_cache_that_is_yet_to_be_made_is_measured(tmp_path: Path) -> None:
    assert not (tmp_path / "hf").exists()
    assert "free model cache" in check_disk().detail


@pytest.mark.parametrize(
    ("size", "term", "level"),
    [((24, 80), "xterm-256color", "ok"), ((20, 60), "xterm-256color", "warning"), ((24, 80), "dumb", "warning")],
)
def test_the_terminal_behind_stderr_is_looked_at_even_when_stdout_is_piped(
    size: tuple[int, int], term: str, level: str
) -> None:
    keyboard, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    done = subprocess.run(
        [sys.executable, "-c", "from loratui.doctor import check_terminal; print(check_terminal().level)"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        env={**environment, "TERM": term, "PYTHONUTF8": "1"},
    )
    os.close(terminal)
    os.close(keyboard)
    assert done.stdout.strip() == level


def test_what_a_run_can_be_copied_with_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (check_copying().level, check_copying().remedy) == ("info", "Run: apt-get install rsync")
    (tmp_path / "rclone").touch(mode=0o755)
    assert (check_copying().level, check_copying().detail) == ("ok", "rclone for sync_to")
