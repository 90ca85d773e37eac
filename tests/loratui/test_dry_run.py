"""`loratui train --dry-run`: in seconds, everything that would keep a run from starting, and what it would take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.config import compose
from engine.preflight import examine
from loratui.runs.examined import rows
from tests.loratui.program import run_loratui, write_tiny_config

TINY = ("--pretrained_model_name_or_path", "tiny", "--resolution", "64", "--instance_prompt", "a photo of TOK")


def test_the_plan_is_printed_and_nothing_is_started(photos: Path, tmp_path: Path) -> None:
    config = write_tiny_config(tmp_path / "lora.toml", photos, steps=80)
    done = run_loratui("train", "--dry-run", config, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    for words in ("80 steps, pivot at step 40, no warm-up", "4 photos, 20 epochs of 4 steps", "prodigy", "training"):
        assert words in done.stdout
    assert "about" in done.stdout and "free in" in done.stdout  # the disk
    assert not (tmp_path / "runs").exists()


def test_json_holds_the_plan_with_the_disk_and_the_memory_that_it_takes(photos: Path, tmp_path: Path) -> None:
    flags = ("--instance_data_dir", photos, *TINY, "--max_train_steps", "20", "--checkpointing_steps", "5")
    done = run_loratui("train", "--dry-run", "--json", *flags, "--runs-dir", tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["ready"] and found["problems"] == []
    assert found["plan"]["pivot_step"] == 10 and found["plan"]["warmup_steps"] == 0
    assert set(found["gpu_memory"]["phases"]) == {"caching latents", "training", "sampling"}
    assert found["gpu_memory"]["needed"] == max(found["gpu_memory"]["phases"].values())
    # LoRA and new tokens in float32, and Prodigy's four numbers for each of theirs.
    assert found["disk"]["checkpoints"] == 4
    assert found["disk"]["parts"]["checkpoints"] == 4 * 5 * found["disk"]["parts"]["exports"] / 2
    assert found["settings"]["optimizer"]["learning_rate"] == 1.0


@pytest.mark.parametrize(("name", "problem"), [("../dog", "cannot be a run's name"), ("dog", "There is already a run")])
def test_a_name_that_a_run_cannot_have_is_told(name: str, problem: str, photos: Path, tmp_path: Path) -> None:
    config = write_tiny_config(tmp_path / "lora.toml", photos, steps=4)
    (tmp_path / "runs" / "dog").mkdir(parents=True)
    done = run_loratui("train", "--dry-run", "--json", "--name", name, config, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert not found["ready"] and any(problem in str(each) for each in found["problems"])


def test_all_problems_are_told_at_once_with_exit_code_2(photos: Path, tmp_path: Path) -> None:
    flags = ("--instance_data_dir", photos, *TINY, "--use_8bit_adam", "--with_prior_preservation")
    flags = (*flags, "--lr_warmup_steps", "900", "--pretrained_vae_model_name_or_path", "/no/vae")
    wanted = ("use_8bit_adam is on", "no class_prompt", "lr_warmup_steps = 900", "/no/vae")
    for command in (("train", "--dry-run"), ("train",)):
        done = run_loratui(*command, *flags, "--runs-dir", tmp_path / "runs")
        assert done.returncode == 2
        assert all(f"{words}" in done.stderr for words in wanted), done.stderr
    done = run_loratui("train", "--dry-run", "--json", *flags, "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2 and len(json.loads(done.stdout)["problems"]) >= len(wanted)
    assert not (tmp_path / "runs").exists()


def test_models_are_named_with_what_is_still_to_be_fetched(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = {"pretrained_model_name_or_path": "tiny", "pretrained_vae_model_name_or_path": "sdxl-vae-fp16"}
    found = examine(
        compose(flags={"data": {"instance_data_dir": str(photos)}, "model": model}).config, count_memory=False
    )
    assert dict(rows(found))["model"] == "tiny, with the VAE sdxl-vae-fp16 (still to be fetched)"


def test_json_without_a_dry_run_is_refused(photos: Path) -> None:
    done = run_loratui("train", "--json", "--instance_data_dir", photos)
    assert done.returncode == 2 and "--dry-run" in done.stderr


def test_no_training_library_is_loaded_by_the_command_itself(photos: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from engine.config import compose
from engine.preflight import examine
from loratui.runs.examined import as_json, rows
flags = {{"data": {{"instance_data_dir": {str(photos)!r}, "resolution": 64}},
          "concept": {{"instance_prompt": "a photo of TOK"}}, "model": {{"pretrained_model_name_or_path": "tiny"}}}}
found = examine(compose(flags=flags).config, Path({str(tmp_path)!r}))
list(rows(found)), as_json(found)
print(found.is_ready, [m for m in ("torch", "diffusers", "transformers") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"
