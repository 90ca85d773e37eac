"""Copying: inside a real tmux, through the terminal, by a desktop's tool, and where there is no way."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from curation.errors import CurationError
from loratui.picture_app import PictureApp
from loratui.terminal.clipboard import MOST_BASE64, copy

TEXT = "a [red] fox\nπ 猫 👩‍👩‍👧 \x1b[2J"


@pytest.fixture(autouse=True)
def no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A tmux server of our own, as a program within it sees it; calls it with arguments."""
    if not shutil.which("tmux"):
        pytest.fail("tmux is not installed")
    socket = tmp_path / "tmux"

    def call(*arguments: str) -> str:
        done = subprocess.run(["tmux", "-S", socket, *arguments], capture_output=True, check=True)
        return done.stdout.decode()

    call("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "cat")
    monkeypatch.setenv("TMUX", f"{socket},{os.getpid()},0")
    yield call
    call("kill-server")


@pytest.mark.parametrize("text", [TEXT, "x" * 1_000_000, "-leading dash"])
def test_inside_tmux_its_buffer_holds_the_text_whole(tmux, text: str) -> None:
    sent: list[str] = []
    assert copy(text, sent.append) == "tmux"
    assert tmux("show-buffer") == text
    assert sent == []


def test_a_tmux_that_is_gone_leaves_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMUX", f"{tmp_path}/none,1,0")
    assert copy(TEXT, lambda _: None) == "the terminal"


def test_elsewhere_the_terminal_is_told_by_osc_52() -> None:
    sent: list[str] = []
    assert copy(TEXT, sent.append) == "the terminal"
    [sequence] = sent
    assert sequence.startswith("\x1b]52;c;")
    assert sequence.endswith("\a")
    assert base64.b64decode(sequence[7:-1]).decode() == TEXT


def test_what_is_too_long_for_that_goes_to_a_desktops_tool_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    long = "x" * MOST_BASE64
    with pytest.raises(CurationError):
        copy(long, sent.append)
    tool = tmp_path / "xclip"
    tool.write_text(f"#!/bin/sh\ncat > {tmp_path}/copied\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":0")
    assert copy(long, sent.append) == "xclip"
    assert (tmp_path / "copied").read_text() == long
    assert sent == []


def test_screen_passes_nothing_on_and_is_not_sent_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STY", "1.screen")
    sent: list[str] = []
    with pytest.raises(CurationError):
        copy(TEXT, sent.append)
    assert sent == []


async def test_the_app_says_what_was_copied_and_by_which_way(tmux) -> None:
    app = PictureApp()
    async with app.run_test() as pilot:
        app.copy_to_clipboard("[red] fox \x1b " + "x" * 100)
        await pilot.pause()
        [toast] = app._notifications
        assert toast.title == "Copied through tmux"
        assert toast.message.startswith("[red] fox \\x1b xxx")
        assert toast.message.endswith("... (112)")
        assert not toast.markup
    assert tmux("show-buffer").startswith("[red] fox")
