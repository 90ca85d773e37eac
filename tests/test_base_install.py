"""The base install alone, in an environment of its own: small, without torch, and of use."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST = 530_000_000  # of which the mini model takes 25
SEEDED = ("pip", "setuptools", "wheel")  # what a new environment holds before anything is installed
FINISHED = {"v": 1, "type": "finished", "time": 2.0, "step": 3}

WALK = """
import asyncio, sys
from pathlib import Path
from loratui.app import LoratuiApp
from loratui.project import Project

async def walk():
    project = Project(Path("runs"))
    project.open(Path(sys.argv[1]))
    async with LoratuiApp(project).run_test(size=(80, 24)) as pilot:
        for key in "123":
            await pilot.press(key)
            await pilot.pause()
            await pilot.app.workers.wait_for_complete()
            print(pilot.app.current_mode)

asyncio.run(walk())
"""

Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds pip and the base install, bytecode included."""
    folder = tmp_path_factory.mktemp("base") / "environment"
    subprocess.run(["uv", "venv", "--quiet", "--seed", "--python", sys.executable, folder], check=True)
    install = ["uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", "--compile-bytecode", ROOT]
    subprocess.run(install, check=True)
    return folder


@pytest.fixture
def loratui(environment: Path, tmp_path: Path) -> Run:
    """Runs the installed `loratui`, away from the sources."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.run(
            [environment / "bin" / "loratui", *map(str, arguments)],
            cwd=tmp_path,
            env={**clean, "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


def test_it_is_small_and_has_no_torch(environment: Path) -> None:
    packages = next(environment.glob("lib/python*/site-packages"))
    ours = [entry for entry in packages.iterdir() if not entry.name.startswith(SEEDED)]
    files = [file for entry in ours for file in (entry, *entry.rglob("*"))]
    # Files that several names share count once, as du counts them.
    sizes = {(file.stat().st_dev, file.stat().st_ino): file.stat().st_size for file in files}
    assert 300_000_000 < sum(sizes.values()) < LARGEST
    assert not list(environment.rglob("site-packages/torch"))


def test_the_mini_model_and_its_judge_are_in_it_whole(environment: Path) -> None:
    installed = next(environment.glob("lib/python*/site-packages")) / "engine" / "mini"
    source = ROOT / "engine" / "mini"
    names = [path.relative_to(source) for path in source.rglob("*.*") if path.suffix in (".safetensors", ".json")]
    assert len(names) > 10 and Path("judge.safetensors") in names
    for name in names:
        assert (installed / name).read_bytes() == (source / name).read_bytes(), name


def test_photos_are_linted_and_captioned(loratui: Run, photos: Path) -> None:
    linted = loratui("lint", photos, "--kind", "person", "--format", "json")
    assert linted.returncode in (0, 1) and json.loads(linted.stdout)["photos"] == 4, linted.stderr
    assert loratui("caption", "set", photos, "a photo of TOK", "--all").returncode == 0
    assert "astronaut.png: a photo of TOK" in loratui("caption", "list", photos).stdout


def test_the_first_three_screens_open(environment: Path, photos: Path) -> None:
    done = subprocess.run(
        [environment / "bin" / "python", "-c", WALK, photos], cwd=photos, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["photos", "checks", "captions"]


def test_runs_are_listed_and_watched(loratui: Run, photos: Path, tmp_path: Path) -> None:
    """A run that came from elsewhere, say by rsync."""
    run = tmp_path / "runs" / "guest"
    run.mkdir(parents=True)
    assert loratui("init", photos, "--output", run / "config.toml").returncode == 0
    (run / "events.jsonl").write_text(json.dumps(FINISHED) + "\n")
    (run / "status.json").write_text(json.dumps({"state": "finished", "step": 3, "total_steps": 3}))

    listed = json.loads(loratui("runs", "--json").stdout)["runs"]
    assert [(each["name"], each["state"]) for each in listed] == [("guest", "finished")]
    attached = loratui("attach", "guest")
    assert attached.returncode == 0 and "finished at step 3" in attached.stderr


@pytest.mark.parametrize("command", [["train", "lora.toml"], ["demo"], ["verify", "any"], ["generate", "any"]])
def test_what_needs_torch_says_in_two_sentences_what_to_install(loratui: Run, command: list[str]) -> None:
    done = loratui(*command)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f"Error: `loratui {command[0]}` needs packages that the base install leaves out.",
        "Run: pip install 'loratui[train]'",
    ]


def test_captions_by_a_model_and_datasets_of_the_hub_say_what_to_install(loratui: Run, photos: Path) -> None:
    for command in (["caption", "auto", photos], ["lint", "user/name"]):
        done = loratui(*command)
        assert done.returncode == 2 and done.stdout == ""
        assert "needs packages that the base install leaves out." in done.stderr
        assert done.stderr.endswith("Run: pip install 'loratui[train]'\n")


def test_doctor_is_content(loratui: Run) -> None:
    done = loratui("doctor", "--json")
    levels = {check["name"]: check["level"] for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout
    assert levels["packages: base"] == levels["opencv"] == "ok"
    assert levels["packages: train"] == levels["packages: faces"] == levels["gpu"] == "info"


def test_the_opencv_that_insightface_asks_for_is_found_and_mended(
    loratui: Run, environment: Path, photos: Path
) -> None:
    def opencv() -> dict[str, str]:
        checks = json.loads(loratui("doctor", "--json").stdout)["checks"]
        return next(check for check in checks if check["name"] == "opencv")

    pip = environment / "bin" / "pip"
    subprocess.run([pip, "install", "--quiet", "opencv-python"], check=True, capture_output=True)
    broken = opencv()
    assert broken["level"] == "error" and "opencv-python" in broken["detail"]
    mend = broken["remedy"].removeprefix("Run: ")
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    subprocess.run(mend, shell=True, check=True, capture_output=True, env={**os.environ, "PATH": path})
    assert opencv()["level"] == "ok"
    assert loratui("lint", photos, "--kind", "person").returncode in (0, 1)
