"""One run in which everything is on that draws by chance or writes files, and what it must leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from skimage import data

from engine.config import compose
from engine.plan import resolve
from engine.rundir import RunDir, create_run

STEPS, PIVOT, CHECKPOINTING_STEPS = 8, 4, 2


def write_photos(folder: Path) -> Path:
    """Four photographs of scikit-image in a new `folder`, with captions of several tags; returns the folder."""
    folder.mkdir()
    rows = []
    for name in ("astronaut", "cat", "coffee", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
        rows.append(json.dumps({"file_name": f"{name}.png", "prompt": f"a photo of TOK, {name}, in colour, indoors"}))
    (folder / "metadata.jsonl").write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return folder


def everything_on(photos: Path, model: Path) -> dict[str, dict[str, Any]]:
    """A run of eight short steps in which all is on that draws by chance or writes files.

    Buckets, flips, dropout, shuffled and dropped captions, generated class images, accumulation; the pivot after four
    steps, a checkpoint after every second, of which two are kept, a picture at the pivot and at the end.
    """
    return {
        "data": {
            "instance_data_dir": str(photos),
            "resolution": 64,
            "aspect_ratio_buckets": True,
            "random_flip": True,
            "crop_variants": 1,
            "caption_dropout_rate": 0.2,
            "shuffle_caption": True,
        },
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": str(model)},
        "lora": {"rank": 2, "lora_dropout": 0.1},
        "text_encoder": {"train_text_encoder_ti_frac": PIVOT / STEPS},
        "prior": {"with_prior_preservation": True, "class_prompt": "a photo of a thing", "num_class_images": 2},
        "sample": {
            "validation_prompt": "TOK, asleep",
            "num_validation_images": 1,
            "validation_steps": PIVOT,
            "num_inference_steps": 2,
        },
        "run": {
            "max_train_steps": STEPS,
            "gradient_accumulation_steps": 2,
            "checkpointing_steps": CHECKPOINTING_STEPS,
            "checkpointing_minutes": None,
            "checkpoints_total_limit": 2,
        },
    }


def create_in(
    folder: Path, name: str, photos: Path, model: Path, sections: Mapping[str, Mapping[str, Any]] | None = None
) -> RunDir:
    """A new run of `everything_on` in `folder`."""
    flags = everything_on(photos, model)
    for section, values in (sections or {}).items():
        flags.setdefault(section, {}).update(values)
    return create_run(folder, name, resolve(compose(flags=flags).config))


def last_files(run: RunDir) -> dict[str, bytes]:
    """What a run leaves that must not depend on what happened to it: its last checkpoint's tensors, and its output."""
    last = run.checkpoints / f"{STEPS:06d}"
    files = [*sorted(last.glob("*.safetensors")), *sorted(run.output.glob("[!.]*"))]
    return {str(file.relative_to(run.path)): file.read_bytes() for file in files}


def last_tensors(run: RunDir) -> dict[str, bytes]:
    """Those of the last checkpoint alone: exported files also tell of settings and paths."""
    return {name: content for name, content in last_files(run).items() if name.startswith("checkpoints")}


def age_status(run: RunDir, seconds: float) -> None:
    """Have status.json be older, as if so much time had gone by."""
    file = run.path / "status.json"
    status = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(status | {"updated": status["updated"] - seconds}), "utf-8")
