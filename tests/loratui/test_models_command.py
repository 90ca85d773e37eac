"""`models` adds what the user asks for, with their consent, shows it, checks it, and takes it away again."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from curation.text import visible
from loratui.doctor import check_face_pack
from tests.curation.synthetic_pack import portrait, write_pack
from tests.loratui.program import run_loratui


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packs are kept; none is there, nor can one be fetched."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LORATUI_FACE_PACKS", str(tmp_path / "packs"))
    monkeypatch.setenv("LORATUI_FACE_PACK_URL", "http://127.0.0.1:9")
    return tmp_path / "packs"


def listed() -> list[dict[str, object]]:
    return json.loads(run_loratui("models", "list", "--json").stdout)["packs"]


def added_models() -> list[dict[str, object]]:
    models = json.loads(run_loratui("models", "list", "--json").stdout)["models"]
    return [model for model in models if not model.pop("built_in")]


def test_without_a_terminal_the_licence_is_stated_and_nothing_is_fetched(packs: Path) -> None:
    done = run_loratui("models", "add", "faces")
    assert done.returncode == 2 and done.stdout == ""
    assert "non-commercial research only" in done.stderr and "--accept-licence" in done.stderr
    assert not packs.exists()


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_on_a_terminal_it_asks(packs: Path, tmp_path: Path, answer: str, code: int) -> None:
    brought = write_pack(tmp_path / "brought")
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    command = [sys.executable, "-m", "loratui", "models", "add", "faces", "--from", brought]
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=120)
    os.close(terminal)
    os.close(keyboard)
    assert done.returncode == code, done.stderr
    assert "non-commercial research only" in done.stderr
    assert (packs / "buffalo_l" / "pack.json").exists() == (code == 0)


def test_a_pack_is_added_listed_checked_seen_by_doctor_and_removed(packs: Path, tmp_path: Path) -> None:
    brought = write_pack(tmp_path / "brought", yaw=0)
    assert check_face_pack().level == "info"
    done = run_loratui("models", "add", "faces", "--from", brought, "--accept-licence", "--pack", "mine")
    assert (done.returncode, done.stdout) == (0, f"{packs / 'mine'}\n"), done.stderr
    assert listed() == [{"name": "mine", "folder": str(packs / "mine"), "fault": None, "used": True}]
    assert check_face_pack().level == "ok"

    checked = run_loratui("models", "check")
    assert checked.returncode == 0 and "as it was added" in checked.stdout, checked.stdout

    model = packs / "mine" / "rec_stub.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    checked = run_loratui("models", "check")
    assert checked.returncode == 1 and "rec_stub.onnx changed since the pack was added" in checked.stdout
    model.write_bytes(b"")
    assert check_face_pack().level == "warning" and listed()[0]["used"] is False

    unasked = run_loratui("models", "rm", "mine")
    assert unasked.returncode == 2 and "--yes" in unasked.stderr and len(listed()) == 1
    assert run_loratui("models", "rm", "mine", "--yes").returncode == 0
    assert listed() == [] and check_face_pack().level == "info"
    assert list(packs.iterdir()) == []


def test_a_pack_that_cannot_be_fetched_is_told_in_two_sentences_and_leaves_nothing(packs: Path) -> None:
    done = run_loratui("models", "add", "faces", "--accept-licence")
    assert done.returncode == 2 and "cannot be fetched" in done.stderr and "--from" in done.stderr
    assert "Traceback" not in done.stderr and list(packs.iterdir()) == []


def test_names_of_brought_files_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    brought = tmp_path / "\x1b[31mred"
    brought.mkdir()
    done = run_loratui("models", "add", "faces", "--accept-licence", "--from", brought)
    assert done.returncode == 2 and "\x1b" not in done.stderr and visible("\x1b[31mred") in done.stderr


def test_lint_tells_people_apart_with_a_pack_and_prints_nothing_but_its_report(packs: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    people = {f"she-{number}": ((200, 40, 60), 320 - 48 * number) for number in range(4)} | {"he": ((30, 160, 60), 320)}
    for name, (person, left) in people.items():
        portrait(person, at=(left, 200)).resize((1280, 960), Image.Resampling.NEAREST).save(photos / f"{name}.png")
    command = ("lint", photos, "--kind", "person", "--format", "json", "--select", "FAC")

    without = json.loads(run_loratui(*command).stdout)
    assert "FAC004" in {one["code"] for one in without["skipped"]}

    write_pack(packs / "buffalo_l", yaw=0)
    done = run_loratui(*command)
    report = json.loads(done.stdout)
    assert done.stderr == ""
    assert [one["photos"] for one in report["findings"] if one["code"] == "FAC004"] == [["he.png"]]
    assert "FAC001" not in {one["code"] for one in report["skipped"]}
    assert json.loads(run_loratui(*command).stdout)["findings"] == report["findings"], "from what was stored"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from engine.models.tiny import build_tiny_sdxl

    folder = tmp_path_factory.mktemp("models") / "juggernaut"
    build_tiny_sdxl(folder)
    return folder


def test_a_folder_of_ones_own_gets_a_name_and_stays_where_it_is(tiny_model: Path) -> None:
    added = run_loratui("models", "add", tiny_model)
    assert (added.returncode, added.stdout) == (0, f"{tiny_model}\n"), added.stderr
    assert "juggernaut" in added.stderr
    (model,) = added_models()
    size = sum(path.stat().st_size for path in tiny_model.rglob("*") if path.is_file())
    assert model == {"name": "juggernaut", "kind": "SDXL", "size": size, "path": str(tiny_model)}
    assert run_loratui("models", "path", "juggernaut").stdout == added.stdout

    again = run_loratui("models", "add", tiny_model)
    assert again.returncode == 2 and "is taken" in again.stderr and "--name" in again.stderr
    assert run_loratui("models", "add", tiny_model, "--name", "mine").returncode == 0
    assert run_loratui("models", "rm", "juggernaut", "--yes").returncode == 0
    assert (tiny_model / "model_index.json").is_file()
    gone = run_loratui("models", "path", "juggernaut")
    assert gone.returncode == 2 and "not on this disk" in gone.stderr


def test_a_folder_may_be_named_from_where_it_lies(tiny_model: Path, tmp_path: Path) -> None:
    assert run_loratui("models", "add", "juggernaut", cwd=tiny_model.parent).returncode == 0
    (tmp_path / "mine").mkdir()
    hidden = run_loratui("models", "add", tiny_model, "--name", "mine", cwd=tmp_path)
    assert hidden.returncode == 2 and "would hide another mine here" in hidden.stderr and "--name" in hidden.stderr


@pytest.mark.parametrize(
    ("what", "said"), [("~nobody-here/model", "Give a hub id"), ("tiny", "is built in"), ("mini", "is built in")]
)
def test_what_cannot_be_added_is_told_in_two_sentences(what: str, said: str) -> None:
    done = run_loratui("models", "add", what)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_model_of_the_hubs_cache_that_is_not_whole_is_listed_as_unfinished(tiny_model: Path, tmp_path: Path) -> None:
    repository = tmp_path / "home" / ".cache" / "huggingface" / "hub" / "models--somebody--sdxl"
    snapshot = shutil.copytree(tiny_model, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")

    def kind() -> object:
        (model,) = added_models()
        return model["kind"]

    assert kind() == "SDXL"
    (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert kind() == "unfinished"


@pytest.mark.parametrize("name", ["sdxl", "mini", "faces", "../up", "a b", "\x1b[31m"])
def test_names_that_are_taken_or_odd_are_refused(tiny_model: Path, name: str) -> None:
    done = run_loratui("models", "add", tiny_model, "--name", name)
    assert done.returncode == 2 and "\x1b" not in done.stderr and "Traceback" not in done.stderr
    assert added_models() == []


def test_a_file_that_is_no_model_gets_no_name(tmp_path: Path) -> None:
    file = tmp_path / "page.safetensors"
    file.write_text("<html>")
    done = run_loratui("models", "add", file)
    assert done.returncode == 2 and "no whole .safetensors file" in done.stderr
    assert added_models() == []


def test_the_mini_model_is_there_from_the_start_and_stays() -> None:
    (mini,) = json.loads(run_loratui("models", "list", "--json").stdout)["models"]
    assert (mini["name"], mini["kind"], mini["built_in"]) == ("mini", "SDXL", True)
    assert run_loratui("models", "path", "mini").stdout == f"{mini['path']}\n"
    assert "mini: built in, whole" in run_loratui("models", "check").stdout
    kept = run_loratui("models", "rm", "mini", "--yes")
    assert kept.returncode == 2 and "ships with loratui" in kept.stderr
    assert Path(mini["path"], "model_index.json").is_file()


def test_with_the_built_in_models_alone_it_says_how_to_get_sdxl() -> None:
    done = run_loratui("models", "list")
    assert "mini: SDXL, built in, 0.0" in done.stdout
    assert "No base model is on this disk" in done.stderr and "loratui models add sdxl" in done.stderr
