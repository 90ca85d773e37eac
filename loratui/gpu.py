"""Whether the GPUs can be trained on: torch's build against the driver, a product on each, free memory."""

import ctypes
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

Version = tuple[int, int]

TORCH_SECONDS = 120.0  # a cold network disk
SMI_SECONDS = 20.0

# CUDA versions that torch 2.6 and later are built for, and how pytorch.org names the builds.
BUILDS: dict[Version, str] = {
    (11, 8): "cu118",
    (12, 4): "cu124",
    (12, 6): "cu126",
    (12, 8): "cu128",
    (12, 9): "cu129",
    (13, 0): "cu130",
    (13, 2): "cu132",
}
INSTALL = "Run: pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/{build}"

# Products of 512 x 512 normal numbers: measured 2.4e-7 and 1.7e-3 on a CPU; TF32 would give 3e-4, a defect far more.
WORST_ERROR = {"float32": 1e-3, "bfloat16": 1e-2}
FREE_SHARE = 0.8  # below it, somebody else is on the GPU
SMALL_GPU = 12e9  # bytes; SDXL at 1024 px takes more without low_memory


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver.  cuda: the newest CUDA version that it runs, None where it does not say."""

    cuda: Version | None


@dataclass(frozen=True)
class Verdict:
    level: Literal["ok", "info", "warning", "error"]
    detail: str
    remedy: str | None = None


def examine_gpus() -> Verdict:
    """Ask torch, in a process of its own, and the driver."""
    try:
        torch_version = version("torch")
    except PackageNotFoundError:
        return Verdict("info", "not looked for: torch is not installed", "Run: pip install 'loratui[train]'")
    command = [sys.executable, "-m", "engine.gpu_probe"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        return Verdict("error", f"torch does not answer within {TORCH_SECONDS:.0f} s", "Look at: nvidia-smi")
    if asked.returncode != 0:
        reason = (asked.stderr.strip().splitlines() or ["it crashed"])[-1]
        return Verdict("error", f"torch {torch_version} cannot be used: {reason}", "Reinstall torch.")
    return judge(torch_version, json.loads(asked.stdout.splitlines()[-1]), find_driver())


def judge(torch_version: str, found: dict[str, Any], driver: Driver | None) -> Verdict:
    """What follows from `engine.gpu_probe`'s answer, and from the driver (None: there is none)."""
    gpus = found["gpus"]
    if not gpus:
        return _without_gpu(torch_version, found, driver)
    described = "; ".join(_described(gpu) for gpu in gpus)
    for gpu in gpus:
        if fault := _fault(gpu["products"]):
            return Verdict("error", f"{gpu['name']}: {fault}; torch {torch_version}", _install(driver))
    if any(gpu["free"] < FREE_SHARE * gpu["total"] for gpu in gpus):
        return Verdict("warning", described, "Something else is on the GPU. See what with: nvidia-smi")
    if all(gpu["total"] < SMALL_GPU for gpu in gpus):
        return Verdict("info", described, "Set low_memory = true to train SDXL on it.")
    return Verdict("ok", described)


def find_driver() -> Driver | None:
    """NVIDIA's driver as `nvidia-smi` tells it, or as its library does where that is not on PATH."""
    try:
        asked = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=SMI_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return _driver_library()
    said = re.search(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)", asked.stdout)
    return Driver((int(said[1]), int(said[2])) if said else None) if asked.returncode == 0 else _driver_library()


def build_for(cuda: Version | None) -> str | None:
    """The newest build that the driver runs; None where it is too old for all.

    Builds of one major version run on any driver of that version (NVIDIA's minor version compatibility).
    """
    if cuda is None:
        return BUILDS[12, 6]
    older = [build for build in BUILDS if build <= cuda]
    same_major = [build for build in BUILDS if build[0] == cuda[0]]
    if same_major and min(same_major) > cuda:
        return BUILDS[min(same_major)]
    return BUILDS[max(older)] if older else None


def _without_gpu(torch_version: str, found: dict[str, Any], driver: Driver | None) -> Verdict:
    if driver is None:
        return Verdict("info", "none: the CPU is enough for the mini and tiny models only")
    built_for = found["built_for"]
    built = f"built for CUDA {built_for}" if built_for else "built without CUDA"
    runs = f"a driver for CUDA {driver.cuda[0]}.{driver.cuda[1]}" if driver.cuda else "a driver"
    detail = f"there is {runs}, but torch {torch_version}, {built}, sees no GPU"
    if built_for and driver.cuda and int(built_for.split(".")[0]) <= driver.cuda[0]:
        return Verdict("error", detail, "The build fits: look at CUDA_VISIBLE_DEVICES, and at nvidia-smi.")
    return Verdict("error", detail, _install(driver))


def _install(driver: Driver | None) -> str:
    build = build_for(driver.cuda if driver else None)
    return INSTALL.format(build=build) if build else "Update NVIDIA's driver: torch 2.6 and later need CUDA 11.8."


def _described(gpu: dict[str, Any]) -> str:
    half = "bf16" if "bfloat16" in gpu["products"] else "no bf16: fp16"
    return f"{gpu['name']}, {gpu['free'] / 1e9:.1f} GB free of {gpu['total'] / 1e9:.1f} GB, {half}"


def _fault(products: dict[str, float | str]) -> str | None:
    """What is wrong with the products, or None."""
    for name, error in products.items():
        if isinstance(error, str):
            return f"a product in {name} fails ({error})"
        if not error <= WORST_ERROR[name]:  # also not-a-number
            return f"a product in {name} is wrong by {error:.2g}"
    return None


def _driver_library() -> Driver | None:
    found = ctypes.c_int(0)
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(found)) != 0:
            return None
    except OSError:
        return None
    return Driver((found.value // 1000, found.value % 1000 // 10))
