"""What this machine can do: each check a function that returns a value, none of them changing anything."""

import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from engine.models.files import find_model
from engine.models.hub import hub_cache
from loratui.gpu import examine_gpus

Level = Literal["ok", "info", "warning", "error"]

HUB_SECONDS = 5.0
PYTHON_SECONDS = 120.0  # a cold network disk
# SDXL's fp16 files are 7 GB, a run's checkpoints and exports below 1 GB.
DISK_WANTED_GB, DISK_NEEDED_GB = 10.0, 1.0

# They all fill the same folder cv2/ and overwrite each other; only the first needs no libGL.
HEADLESS = "opencv-python-headless"
OTHER_OPENCVS = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")

INSTALL_FACES = "Run: pip install 'loratui[faces]'"


@dataclass(frozen=True)
class Check:
    """One thing looked at.  level: "info" is no problem, only good to know.  remedy: what to do, None when nothing."""

    name: str
    level: Level
    detail: str
    remedy: str | None = None


def examine() -> list[Check]:
    """All checks, side by side, in their order: torch and the hub take seconds."""
    checks: Sequence[Callable[[], Check]] = (
        check_python,
        lambda: check_packages(None),
        check_opencv,
        lambda: check_packages("train"),
        lambda: check_packages("faces"),
        check_face_pack,
        check_gpu,
        check_disk,
        check_hub,
        check_terminal,
        check_tmux,
        check_copying,
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        return [future.result() for future in [pool.submit(check) for check in checks]]


def check_python() -> Check:
    """Which Python this is; pip refuses to install loratui for one that is too old."""
    return Check("python", "ok", f"{platform.python_version()} at {sys.executable}")


def check_packages(extra: str | None) -> Check:
    """The packages of an extra, or of the base install (None), against the versions that loratui asks for.

    An extra that is not installed is no problem; a package of a wrong version is one, wherever it came from.
    """
    name = f"packages: {extra or 'base'}"
    # loratui itself being installed, pip takes it as it is and looks only at what it asks for.
    install = f"pip install 'loratui[{extra}]'" if extra else "pip install loratui"
    found, absent, wrong = [], [], []
    for requirement in required(extra):
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            absent.append(requirement.name)
            continue
        found.append(f"{requirement.name} {installed}")
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, not {requirement.specifier}")
    if wrong:
        return Check(name, "error", "; ".join(wrong), f"Run: {install}")
    if absent:
        level: Level = "info" if extra else "error"
        return Check(name, level, f"not installed: {', '.join(absent)}", f"Run: {install}")
    return Check(name, "ok", ", ".join(found))


def required(extra: str | None) -> list[Requirement]:
    """What loratui's own metadata asks for, for an extra alone or for the base install (None)."""
    requirements = [Requirement(line) for line in requires("loratui") or []]
    if extra is None:
        return [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [each for each in requirements if _only_with(each, extra)]


def check_opencv() -> Check:
    """Whether `cv2` is the headless 4.x, which has the face detector and needs no libGL.

    insightface asks for opencv-python, whose 5.x has neither; installed beside the headless one it overwrites it.
    """
    others = [name for name in OTHER_OPENCVS if _is_installed(name)]
    mend = f"pip uninstall -y {' '.join([*others, HEADLESS])} && pip install '{HEADLESS}<5'"
    loads = _python("import cv2; cv2.CascadeClassifier; print(cv2.__version__)")
    if loads.returncode != 0:
        reason = (loads.stderr.strip().splitlines() or ["it crashed"])[-1]
        beside = f", with {', '.join(others)} installed" if others else ""
        return Check("opencv", "error", f"cv2 does not work{beside}: {reason}", f"Run: {mend}")
    if others:
        detail = f"{', '.join(others)} fills the same folder as {HEADLESS}; cv2 {loads.stdout.strip()} works by luck"
        return Check("opencv", "warning", detail, f"Run: {mend}")
    return Check("opencv", "ok", f"cv2 {loads.stdout.strip()}, headless")


def check_face_pack() -> Check:
    """Which models find faces; without any, frontal ones are hinted at, and nobody is told from anybody else."""
    from curation.face_detectors import insightface_is_installed
    from curation.face_packs import best_pack, find_packs

    if not insightface_is_installed():
        return Check("face pack", "info", "not looked for: insightface is not installed", INSTALL_FACES)
    packs, used = find_packs(), best_pack()
    broken = "; ".join(f"{pack.name} at {pack.folder}: {pack.fault}" for pack in packs if pack.fault)
    if used is None:
        detail = broken or "none: lint only hints at frontal faces, and cannot tell people apart"
        return Check("face pack", "warning" if broken else "info", detail, "Run: loratui models add faces")
    detail = f"{used.name} at {used.folder}" + ("" if used.tells_people_apart else ", which cannot tell people apart")
    if broken:
        return Check("face pack", "warning", f"{detail}; {broken}", "Look closer with: loratui models check")
    return Check("face pack", "ok", detail)


def check_gpu() -> Check:
    """What torch and the driver make of the GPUs."""
    verdict = examine_gpus()
    return Check("gpu", verdict.level, verdict.detail, verdict.remedy)


def check_disk() -> Check:
    """Free space where runs are written and where base models are kept."""
    places = {"here": Path.cwd(), "model cache": hub_cache()}
    free = {name: shutil.disk_usage(_existing(path)).free for name, path in places.items()}
    detail = ", ".join(f"{_gb(count)} free {name}" for name, count in free.items())
    least = min(free.values()) / 1e9
    if least < DISK_NEEDED_GB:
        return Check("disk", "error", detail, f"Free {DISK_NEEDED_GB:.0f} GB at least.")
    if least < DISK_WANTED_GB:
        return Check("disk", "warning", detail, "SDXL takes 7 GB: free some, or set HF_HOME to a larger disk.")
    return Check("disk", "ok", detail)


def check_hub() -> Check:
    """Whether the base model is on this disk, or can be fetched."""
    on_disk = find_model("sdxl") is not None
    cached = "the base model is on this disk" if on_disk else "the base model is not on this disk yet"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return Check("model hub", "info", f"HF_HUB_OFFLINE is set; {cached}")
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=HUB_SECONDS)
    except urllib.error.HTTPError:
        pass  # it answers, whatever it says
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        remedy = None if on_disk else "Fetch the model elsewhere, and give its folder as the model's path."
        return Check(
            "model hub", "info" if on_disk else "warning", f"{endpoint} is out of reach ({reason}); {cached}", remedy
        )
    return Check("model hub", "ok", f"{endpoint} answers; {cached}")


def check_terminal() -> Check:
    """Size, colours and encoding of the terminal behind stderr, which is left when stdout is piped."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        return Check("terminal", "info", "none here: commands print plain lines")
    detail = f"{os.environ.get('TERM', 'no TERM')}, {console.width}x{console.height}"
    detail += f", {console.color_system or 'no'} colours, {console.encoding}"
    if console.is_dumb_terminal or "TERM" not in os.environ:
        return Check("terminal", "warning", detail, "Run: export TERM=xterm-256color")
    if "utf" not in console.encoding:
        return Check("terminal", "warning", detail, "Run: export LANG=C.UTF-8 PYTHONUTF8=1")
    if console.width < 80 or console.height < 24:
        return Check("terminal", "warning", detail, "The TUI needs 80x24: make the window larger.")
    return Check("terminal", "ok", detail)


def check_tmux() -> Check:
    """Runs outlive their terminal by themselves; tmux keeps the view of them."""
    if os.environ.get("TMUX"):
        return Check("tmux", "ok", "inside it: detach with Ctrl-B d")
    if shutil.which("tmux"):
        return Check("tmux", "info", "installed, not in use; a run goes on without it when the line drops")
    return Check("tmux", "info", "not installed; a run goes on without it when the line drops")


def check_copying() -> Check:
    """What a run can be copied off this machine with; the hub needs neither."""
    found = [program for program in ("rsync", "rclone") if shutil.which(program)]
    if found:
        return Check("copies", "ok", f"{' and '.join(found)} for sync_to")
    return Check("copies", "info", "neither rsync nor rclone is installed for sync_to", "Run: apt-get install rsync")


def _only_with(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PYTHON_SECONDS)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return path if path.exists() else _existing(path.parent)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
