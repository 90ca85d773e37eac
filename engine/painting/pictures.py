"""The pictures that were painted with a run: each a PNG that tells its settings, with the same in a JSON beside it."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin
from pydantic import TypeAdapter

from curation.atomic import write_text, writing
from engine.painting.request import Request
from engine.rundir import RunDir

VERSION = 1
REQUEST = TypeAdapter(Request)


@dataclass(frozen=True)
class Picture:
    """request: None where the JSON beside it is missing or damaged."""

    path: Path
    request: Request | None


def folder_of(run: RunDir) -> Path:
    """Where a run's painted pictures lie."""
    return run.samples / "generated"


def pictures_of(run: RunDir) -> list[Picture]:
    """What was painted with a run, newest first."""
    return [Picture(path, _request(path)) for path in sorted(folder_of(run).glob("*.png"), reverse=True)]


def save_picture(run: RunDir, image: Image.Image, request: Request) -> Path:
    """Write the picture and its settings, each whole; returns the picture's path. Raises OSError."""
    path = _free_path(folder_of(run))
    stored = {"version": VERSION, "run": run.name, "request": asdict(request)}
    write_text(path.with_suffix(".json"), json.dumps(stored, indent=2) + "\n")
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", parameters(request))
    with writing(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=text)
    return path


def parameters(request: Request) -> str:
    """The settings as AUTOMATIC1111 and SD.Next write them into a PNG, and read them from one."""
    negative = f"Negative prompt: {request.negative_prompt}\n" if request.negative_prompt else ""
    return (
        f"{request.prompt}\n{negative}Steps: {request.num_inference_steps}, CFG scale: {request.guidance_scale:g}, "
        f"Seed: {request.seed}, Size: {request.size}x{request.size}"
    )


def _free_path(folder: Path) -> Path:
    """Named by the time, to the millisecond, so that names in order are pictures in order."""
    while True:
        now = time.time()
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now * 1000) % 1000:03d}.png"
        if not path.with_suffix(".json").exists():
            return path


def _request(path: Path) -> Request | None:
    try:
        return REQUEST.validate_python(json.loads(path.with_suffix(".json").read_text("utf-8"))["request"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
