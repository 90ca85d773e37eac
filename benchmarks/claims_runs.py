"""One run for one condition and seed: photos, training, pictures, grades."""

import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.claims_photos import draw_class_images, findings, write_photo_set
from benchmarks.claims_questions import CLASS_PROMPT, INSTANCE_PROMPT, RECIPE, Origin, laid_over
from benchmarks.claims_results import Job, Record
from curation.dataset import open_dataset
from curation.errors import StatedError
from engine.mini import exam, quality
from engine.models.load import compute_dtype, default_device, silence_libraries
from engine.results.generate import load_base_pipeline
from engine.settings import ModelSection

CLASS_IMAGES = 100
"""The guide, "Face LoRA": 100 or 150."""
PICTURES_APART = 1000
"""Between the seeds of two runs' pictures."""
GENERATED_SEED = 10_000_000
"""Of generated class images, far from those of the pictures that are graded."""


def do(job: Job, work: Path) -> Record:
    """Train, paint and grade. An expected failure is a record too.  work: for the run's files, which are not kept."""
    silence_libraries()
    folder = work / job.key
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return _examined_base(job) if job.condition.photos is None else _examined_run(job, folder, work)
    except StatedError as error:
        return Record(job.key, job.seed, problem=f"{error.problem} {error.remedy}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _examined_base(job: Job) -> Record:
    model = ModelSection(pretrained_model_name_or_path=job.model)
    answers = exam.paint_base(model, seed=PICTURES_APART * job.seed)
    return Record(job.key, job.seed, _values(exam.grade(answers)))


def _examined_run(job: Job, folder: Path, work: Path) -> Record:
    assert job.condition.photos
    photos = write_photo_set(folder, job.condition.photos, job.seed)
    named = findings(photos)
    if job.condition.one_caption:
        (photos / "metadata.jsonl").unlink()
    settings = settings_of(job, work)
    before = time.process_time()
    run = exam.train(photos, folder / "runs" / "run", settings)
    seconds = time.process_time() - before
    grades = exam.grade(exam.paint(run, seed=PICTURES_APART * job.seed))
    return Record(job.key, job.seed, _values(grades), len(open_dataset(photos).trainable), named, seconds)


def _values(grades: exam.Grades) -> dict[str, float]:
    return asdict(grades) | {"prompt": (grades.place + grades.background) / 2}


def settings_of(job: Job, work: Path) -> dict[str, dict[str, Any]]:
    """The recipe, the condition's changes to it, and the job's own."""
    condition = job.condition
    own: dict[str, dict[str, Any]] = {
        "model": {"pretrained_model_name_or_path": job.model},
        "run": {"seed": job.seed},
    }
    if condition.one_caption:
        own["concept"] = {"instance_prompt": INSTANCE_PROMPT}
    if condition.class_images:
        own["prior"] = {"num_class_images": CLASS_IMAGES}
    settings = laid_over(RECIPE, condition.settings, own, job.overrides)
    if condition.class_images:
        count = settings["prior"]["num_class_images"]
        settings["prior"]["class_data_dir"] = str(class_images(condition.class_images, count, job, work))
    return settings


def class_images(origin: Origin, count: int, job: Job, work: Path) -> Path:
    """The folder of class images, the same for all runs; made where it is not there yet."""
    folder = work / f"class-images-{count}-{origin if origin == 'drawn' else job.weights}"
    if not folder.exists():
        unfinished = Path(tempfile.mkdtemp(dir=work))
        write_class_images(unfinished, origin, count, job.model)
        try:
            unfinished.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(unfinished)
    return folder


def write_class_images(folder: Path, origin: Origin, count: int, model: str) -> None:
    """Drawings of monsters, or what the base model paints of the class prompt."""
    if origin == "drawn":
        draw_class_images(folder, count)
        return
    device = default_device()
    source = ModelSection(pretrained_model_name_or_path=model)
    pipeline = load_base_pipeline(source, compute_dtype(None, device), device)
    steps, scale = exam.NUM_INFERENCE_STEPS, exam.GUIDANCE_SCALE
    pictures = quality.paint(
        pipeline, [CLASS_PROMPT] * count, num_inference_steps=steps, guidance_scale=scale, seed=GENERATED_SEED
    )
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number:03d}.png")
