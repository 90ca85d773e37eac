"""A model comes from the hub once, with only what is loaded of it, and what broke off goes on where it stopped."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from hypothesis import example, given
from hypothesis import strategies as st

from engine.models.download import wanted_files
from engine.models.hub import is_hub_id
from tests.curation.hub_stub import Line, serving

PARTS = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model", "text_encoder_2/model")
NOBODY_LISTENS = "http://127.0.0.1:9"


@pytest.fixture
def repository(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny SDXL as people publish models: in two precisions, and in formats that nobody needs."""
    folder = shutil.copytree(tiny_model, tmp_path / "repository")
    for part in PARTS:
        whole = folder / f"{part}.safetensors"
        shutil.copy(whole, folder / f"{part}.fp16.safetensors")
        (folder / f"{part}.bin").write_bytes(b"pickle")
    (folder / "sd_xl_base_1.0.safetensors").write_bytes(b"x" * 100)
    (folder / "vae_1_0").mkdir()
    (folder / "vae_1_0/diffusion_pytorch_model.safetensors").write_bytes(b"x" * 100)
    (folder / "unet/model.onnx").write_bytes(b"onnx")
    (folder / "README.md").write_text("A model.")
    return folder


@given(st.one_of(st.text("aé0_-./", max_size=8), st.integers(90, 100).map(lambda count: f"a/{'a' * count}")))
@example("a..b")
@example("user/model.git")
def test_only_names_that_the_hub_takes_are_asked_for(name: str) -> None:
    try:
        validate_repo_id(name)
    except HFValidationError:
        assert not is_hub_id(name)
    else:
        assert is_hub_id(name)


def loratui(hub: str, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program, with a cache of models of its own under `home`, and no stored token but one that nobody may send."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    (home / "hf").mkdir(exist_ok=True)
    (home / "hf/token").write_text("stored-by-somebody")
    env |= {"HOME": str(home), "HF_ENDPOINT": hub, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "loratui", "models", *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**env, **environment}, timeout=240
    )


def large(line: Line) -> list[tuple[str, int]]:
    return [(name, first) for name, first in line.fetched if name.endswith(".safetensors")]


def test_only_what_is_loaded_is_fetched_into_hf_home_and_it_loads_offline(repository: Path, tmp_path: Path) -> None:
    line = Line()
    with serving("somebody/sdxl", repository, "models", line) as hub:
        done = loratui(hub, tmp_path, "add", "somebody/sdxl")
        assert done.returncode == 0, done.stderr
        folder = Path(done.stdout.strip())
        assert folder.is_relative_to(tmp_path / "hf/hub/models--somebody--sdxl/snapshots")
        assert sorted(name for name, _ in large(line)) == sorted(f"{part}.fp16.safetensors" for part in PARTS)
        assert {name for name, _ in line.fetched if not name.endswith(".safetensors")} == {
            path.relative_to(repository).as_posix()
            for path in repository.rglob("*")
            if path.suffix in (".json", ".txt") and path.is_file()
        }
        assert line.tokens == {None}, "a stored token stays at home"
        again = loratui(hub, tmp_path, "add", "somebody/sdxl")
        assert again.stdout == done.stdout and len(large(line)) == len(PARTS)

    script = (
        "import torch; from engine.models.load import load_models; from engine.settings import ModelSection;"
        "model = ModelSection(pretrained_model_name_or_path='somebody/sdxl');"
        "print(load_models(model, torch.float32, torch.device('cpu')).unet.dtype)"
    )
    env = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    loaded = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert loaded.stdout == "torch.float32\n"
    assert loratui(NOBODY_LISTENS, tmp_path, "path", "somebody/sdxl").stdout == done.stdout


def test_a_download_that_broke_off_goes_on_where_it_stopped(repository: Path, tmp_path: Path) -> None:
    unet = "unet/diffusion_pytorch_model.fp16.safetensors"
    blobs = tmp_path / "hf/hub/models--somebody--sdxl/blobs"
    script = (
        "import os; from engine.models.download import download_model;"
        "kill = lambda done, total: os.kill(os.getpid(), 9) if done > 9_000_000 else None;"  # in the UNet
        "download_model('somebody/sdxl', on_progress=kill)"
    )
    with serving("somebody/sdxl", repository, "models") as hub:
        env = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf")}
        assert subprocess.run([sys.executable, "-c", script], env=env, check=False).returncode == -9
    (partial,) = blobs.glob("*.loratui")
    there = partial.stat().st_size
    assert 0 < there < (repository / unet).stat().st_size
    assert "unfinished" in loratui(NOBODY_LISTENS, tmp_path, "list").stdout

    line = Line(breaks=[500_000])
    with serving("somebody/sdxl", repository, "models", line) as hub:
        done = loratui(hub, tmp_path, "add", "somebody/sdxl")
    assert done.returncode == 0, done.stderr
    firsts = [first for name, first in line.fetched if name == unet]
    assert firsts[0] == there and len(firsts) == 2, "taken up after the kill, and after the line broke"
    assert not list(blobs.glob("*.loratui"))
    assert (Path(done.stdout.strip()) / unet).read_bytes() == (repository / unet).read_bytes()


def test_a_file_that_arrives_damaged_is_thrown_away(repository: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "hf/hub/models--somebody--sdxl/blobs"
    blobs.mkdir(parents=True)
    content = (repository / "unet/diffusion_pytorch_model.fp16.safetensors").read_bytes()
    (blobs / f"{hashlib.sha256(content).hexdigest()}.loratui").write_bytes(b"damaged")
    with serving("somebody/sdxl", repository, "models") as hub:
        done = loratui(hub, tmp_path, "add", "somebody/sdxl")
        assert done.returncode == 2 and "arrived damaged" in done.stderr and "again" in done.stderr
        assert loratui(hub, tmp_path, "add", "somebody/sdxl").returncode == 0


def test_room_on_the_disk_is_checked_before_anything_is_fetched(repository: Path, tmp_path: Path) -> None:
    line = Line(claims={"unet/diffusion_pytorch_model.fp16.safetensors": 10**15})
    with serving("somebody/sdxl", repository, "models", line) as hub:
        done = loratui(hub, tmp_path, "add", "somebody/sdxl")
    assert done.returncode == 2 and "needs 1000000.0 GB more" in done.stderr and "HF_HOME" in done.stderr
    assert not large(line)


def test_a_gated_model_needs_the_token_that_the_environment_holds(repository: Path, tmp_path: Path) -> None:
    line = Line(gated="mine")
    with serving("somebody/sdxl", repository, "models", line) as hub:
        refused = loratui(hub, tmp_path, "add", "somebody/sdxl")
        assert refused.returncode == 2 and "only to those whom it let in" in refused.stderr
        assert "HF_TOKEN" in refused.stderr and "Traceback" not in refused.stderr
        done = loratui(hub, tmp_path, "add", "somebody/sdxl", HF_TOKEN="mine")
    assert done.returncode == 0 and "mine" not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size < 10_000]
    assert not any(b"Bearer" in path.read_bytes() for path in kept if "repository" not in path.parts)


def test_a_hub_that_has_it_not_or_cannot_be_asked_is_told_in_two_sentences(repository: Path, tmp_path: Path) -> None:
    with serving("somebody/sdxl", repository, "models") as hub:
        absent = loratui(hub, tmp_path, "add", "somebody/else")
        offline = loratui(hub, tmp_path, "add", "somebody/sdxl", HF_HUB_OFFLINE="1")
        for part in PARTS:
            (repository / f"{part}.safetensors").unlink()
            (repository / f"{part}.fp16.safetensors").unlink()
        pickles = loratui(hub, tmp_path, "add", "somebody/sdxl")
    silent = loratui(NOBODY_LISTENS, tmp_path, "add", "somebody/sdxl")
    for done, words in (
        (absent, "no model somebody/else on the hub"),
        (offline, "HF_HUB_OFFLINE keeps it from being fetched"),
        (pickles, "holds no SDXL and no VAE in .safetensors"),
        (silent, "the hub does not answer"),
    ):
        assert done.returncode == 2 and words in " ".join(done.stderr.split()), done.stderr
        assert "Traceback" not in done.stderr


def test_a_vae_alone_is_fetched_too_listed_and_removed(repository: Path, tmp_path: Path) -> None:
    with serving("madebyollin/sdxl-vae-fp16-fix", repository / "vae", "models") as hub:
        done = loratui(hub, tmp_path, "add", "sdxl-vae-fp16")
    assert done.returncode == 0, done.stderr
    models = json.loads(loratui(NOBODY_LISTENS, tmp_path, "list", "--json").stdout)["models"]
    (model,) = [model for model in models if not model["built_in"]]
    assert (model["name"], model["kind"], model["path"]) == ("sdxl-vae-fp16", "VAE", done.stdout.strip())
    weights = (repository / "vae/diffusion_pytorch_model.safetensors").stat().st_size
    assert weights < model["size"] < 2 * weights, "one variant, and each file once, though links lead to it"
    unasked = loratui(NOBODY_LISTENS, tmp_path, "rm", "sdxl-vae-fp16")
    assert unasked.returncode == 2 and "--yes" in unasked.stderr and Path(model["path"]).exists()
    assert loratui(NOBODY_LISTENS, tmp_path, "rm", "sdxl-vae-fp16", "--yes").returncode == 0
    assert not list((tmp_path / "hf/hub").glob("*models--*"))


NAMES = [f"{part}{variant}.safetensors" for part in PARTS for variant in ("", ".fp16")]


@pytest.mark.parametrize(
    ("missing", "variant", "expected"),
    [
        ([], None, [f"{part}.fp16.safetensors" for part in PARTS]),
        (["vae/diffusion_pytorch_model.fp16.safetensors"], "fp16", []),
        (["vae/diffusion_pytorch_model.fp16.safetensors"], None, None),
        ([f"{part}.fp16.safetensors" for part in PARTS], None, [f"{part}.safetensors" for part in PARTS]),
        ([], "bf16", []),
    ],
)
def test_each_part_is_fetched_in_one_variant(
    missing: list[str], variant: str | None, expected: list[str] | None
) -> None:
    wanted = wanted_files(["model_index.json", *(name for name in NAMES if name not in missing)], variant)
    if expected is None:  # fp16 but for the VAE
        expected = ["vae/diffusion_pytorch_model.safetensors"]
        expected += [f"{part}.fp16.safetensors" for part in PARTS if "vae" not in part]
    assert [name for name in wanted if name.endswith(".safetensors")] == sorted(expected)


def test_shards_come_with_their_index() -> None:
    shards = [f"unet/diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    others = [f"{part}.safetensors" for part in PARTS[1:]]
    wanted = wanted_files(["model_index.json", *shards, index, *others], None)
    assert set(wanted) == {"model_index.json", *shards, index, *others}
