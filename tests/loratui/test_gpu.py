"""What `doctor` says of GPUs: whether torch's build fits the driver, whether sums are right, and what to install."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from loratui.gpu import Driver, build_for, find_driver, judge
from tests.loratui.program import run_loratui

GPU: dict[str, Any] = {
    "name": "NVIDIA H200",
    "total": 150e9,
    "free": 149e9,
    "products": {"float32": 2e-7, "bfloat16": 2e-3},
}


def found(*gpus: dict[str, Any], built_for: str | None = "12.8") -> dict[str, Any]:
    return {"built_for": built_for, "rocm": None, "gpus": list(gpus)}


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on PATH, for an `nvidia-smi`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "nvidia-smi"


def install_smi(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("says", "cuda"),
    [
        ("| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4     |", (12, 4)),
        ("| NVIDIA-SMI 590.1  KMD Version: 590.1  CUDA UMD Version: 13.1  |", (13, 1)),
        ("| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: N/A |", None),
    ],
)
def test_the_driver_says_which_cuda_it_runs(smi: Path, says: str, cuda: tuple[int, int] | None) -> None:
    install_smi(smi, says)
    assert find_driver() == Driver(cuda)


@pytest.mark.parametrize(
    ("cuda", "build"),
    [
        ((13, 3), "cu132"),
        ((13, 1), "cu130"),
        ((12, 8), "cu128"),
        ((12, 7), "cu126"),
        ((12, 2), "cu124"),
        ((11, 4), "cu118"),
        ((10, 2), None),
        (None, "cu126"),
    ],
)
def test_the_newest_build_that_a_driver_runs(cuda: tuple[int, int] | None, build: str | None) -> None:
    assert build_for(cuda) == build


def test_a_build_that_is_newer_than_the_driver_is_an_error_with_the_line_that_mends_it(smi: Path) -> None:
    install_smi(smi, "| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   CUDA Version: 12.4     |")
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = run_loratui("doctor", "--json", env=env)
    (gpu,) = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "gpu"]
    assert done.returncode == 1 and gpu["level"] == "error"
    assert "a driver for CUDA 12.4, but torch" in gpu["detail"] and "sees no GPU" in gpu["detail"]


def test_what_fits_not_is_replaced_and_what_fits_is_looked_for_elsewhere() -> None:
    newer = judge("2.15.0", found(built_for="13.2"), Driver((12, 4)))
    assert newer.level == "error"
    assert newer.remedy == (
        "Run: pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu124"
    )
    without = judge("2.15.0+cpu", found(built_for=None), Driver((13, 0)))
    assert "built without CUDA" in without.detail and without.remedy and without.remedy.endswith("/cu130")
    ancient = judge("2.15.0", found(built_for="12.8"), Driver((10, 2)))
    assert ancient.remedy and "Update NVIDIA's driver" in ancient.remedy
    hidden = judge("2.15.0", found(built_for="12.8"), Driver((12, 4)))
    assert hidden.level == "error" and hidden.remedy and "CUDA_VISIBLE_DEVICES" in hidden.remedy


def test_a_gpu_that_computes_right_and_is_free_is_well() -> None:
    verdict = judge("2.15.0", found(GPU), Driver((12, 8)))
    assert verdict.level == "ok"
    assert verdict.detail == "NVIDIA H200, 149.0 GB free of 150.0 GB, bf16"


@pytest.mark.parametrize(
    ("products", "words"),
    [
        ({"float32": "CUDA error: no kernel image is available"}, "fails (CUDA error: no kernel image is available)"),
        ({"float32": 0.3}, "a product in float32 is wrong by 0.3"),
        ({"float32": 1e-7, "bfloat16": math.nan}, "a product in bfloat16 is wrong by nan"),
    ],
)
def test_a_gpu_that_computes_wrong_is_an_error(products: dict[str, Any], words: str) -> None:
    verdict = judge("2.15.0", found(GPU, {**GPU, "products": products}), Driver((12, 8)))
    assert verdict.level == "error" and words in verdict.detail
    assert verdict.remedy and verdict.remedy.endswith("/cu128")


def test_a_gpu_that_somebody_uses_and_a_small_one_are_told() -> None:
    assert judge("2.15.0", found({**GPU, "free": 20e9}), None).level == "warning"
    small = judge("2.15.0", found({**GPU, "total": 8e9, "free": 7.8e9, "products": {"float32": 0.0}}), None)
    assert small.level == "info" and small.remedy and "low_memory" in small.remedy
    assert "no bf16: fp16" in small.detail


def test_without_gpu_and_driver_there_is_no_problem() -> None:
    assert judge("2.15.0", found(), None).level == "info"
