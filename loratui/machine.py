"""In a few words, what a training on this machine would find: GPU, disk, base model. Looked up in a second."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.models.files import find_model
from loratui.doctor import DISK_WANTED_GB
from loratui.terminal.glyphs import Sign

SMI_SECONDS = 10.0
QUERY = ["nvidia-smi", "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]


@dataclass(frozen=True)
class Fact:
    """One thing of the machine, and whether training can do with it."""

    sign: Sign
    text: str


def machine_facts(runs_dir: Path) -> list[Fact]:
    """GPUs with their free memory, free disk where runs go, and whether the base model is here already."""
    return [*gpu_facts(_asked_driver()), _disk_fact(runs_dir), _model_fact()]


def gpu_facts(lines: Sequence[str]) -> list[Fact]:
    """What follows from nvidia-smi's lines of name, free and total MiB; from none, that there is no GPU."""
    facts = []
    for line in lines:
        name, free, total = (part.strip() for part in (*line.split(","), "", "")[:3])
        if free.isdigit() and total.isdigit():
            facts.append(Fact("done", f"{name}, {int(free) / 1024:.0f} of {int(total) / 1024:.0f} GiB free"))
        else:
            facts.append(Fact("attention", f"{name}, memory unknown"))
    return facts or [Fact("attention", "no GPU: only tiny models train here")]


def _asked_driver() -> list[str]:
    try:
        asked = subprocess.run(QUERY, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SMI_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.splitlines() if asked.returncode == 0 else []


def _disk_fact(runs_dir: Path) -> Fact:
    folder = next(path for path in (runs_dir.resolve(), *runs_dir.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free / 1e9
    return Fact("done" if free >= DISK_WANTED_GB else "attention", f"{free:.0f} GB of disk free")


def _model_fact() -> Fact:
    if find_model("sdxl"):
        return Fact("done", "SDXL is on this disk")
    return Fact("attention", "SDXL is not on this disk: loratui models add sdxl")
