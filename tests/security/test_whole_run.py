"""One real run, with tokens in its environment and the network cut: what it wrote, who may read it, whom it asked."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.security.sealed import sealed

SECRETS = {
    "HF_TOKEN": "hf_" + "AbCdEfGh12" * 3,
    "HUGGING_FACE_HUB_TOKEN": "hf_" + "ZyXwVuTs98" * 3,
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
}
STORED = "hf_" + "MnOpQrSt45" * 3

pytestmark = pytest.mark.slow


class Ended(NamedTuple):
    """A run that ended.  path: its folder.  tried: is there if a connection was tried.  said: stdout and stderr."""

    path: Path
    tried: Path
    said: str


@pytest.fixture(scope="module")
def ended(sample_photos: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Two steps on the tiny model, with pictures, class images and a tracker; the token of `hf auth login` at hand."""
    folder = tmp_path_factory.mktemp("whole")
    env, tried = sealed(folder / "home")
    (folder / "home" / "hf").mkdir()
    (folder / "home" / "hf" / "token").write_text(STORED)
    command = [
        *(sys.executable, "-m", "loratui", "train", f"--instance_data_dir={sample_photos}", "--foreground"),
        *("--name=cat", f"--runs-dir={folder / 'runs'}", f"--pretrained_model_name_or_path={tiny_model}"),
        *("--instance_prompt=a photo of TOK", "--resolution=64", "--rank=4", "--max_train_steps=2"),
        *("--with_prior_preservation", "--class_prompt=a photo", "--num_class_images=1"),
        *("--num_validation_images=1", "--num_inference_steps=2", "--report_to=tensorboard"),
    ]
    done = subprocess.run(command, env={**env, **SECRETS}, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Ended(folder / "runs" / "cat", tried, done.stdout + done.stderr)


def test_no_token_is_in_anything_that_was_written_or_said(ended: Ended) -> None:
    files = [path for path in ended.path.parent.rglob("*") if path.is_file()]
    names = {path.relative_to(ended.path).as_posix() for path in files if path.is_relative_to(ended.path)}
    expected = {"config.toml", "events.jsonl", "status.json", "log.txt", "output/README.md", "output/cat.safetensors"}
    assert expected <= names and any(path.name.startswith("events.out") for path in files)
    for secret in (*SECRETS.values(), STORED):
        assert secret not in ended.said
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_the_run_and_the_caches_beside_it_are_for_their_owner_only(ended: Ended) -> None:
    assert {path.name for path in ended.path.rglob("*.png")} >= {"0000.png"} and (ended.path / "samples").is_dir()
    closed = [path for path in (ended.path, ended.path.parent / ".cache")]
    assert [path for path in closed if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    inside = [ended.path / name for name in ("log.txt", "events.jsonl", "samples", "class_images", "checkpoints")]
    inside += [path for path in ended.path.rglob("*") if path.suffix in (".png", ".safetensors")]
    assert [path for path in inside if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_the_run_tried_no_connection(ended: Ended) -> None:
    assert not ended.tried.exists(), ended.tried.read_text()
