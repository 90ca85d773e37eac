"""What the runs learn from: good photos of the mascot, poor ones, some with faults, those mended, and class images."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import fault_generator as make
from benchmarks.claims_questions import PhotoSet
from curation.atomic import write_bytes
from curation.dataset import open_dataset
from curation.fixes import apply_fixes, plan_fixes
from curation.lint import lint
from curation.needs import TrainingNeeds
from curation.report import Report
from engine.mini.drawing import draw
from engine.mini.judge import single_object_scene
from engine.mini.mascot import TRIGGER, mascot_scene, standard_scenes, trigger_caption, write_photos
from engine.mini.world import MONSTER, PLACES, RESOLUTION, Scene, seen_scene

GRAIN = 8.0
"""Standard deviation, of 255: drawings without a grain are so flat that lint rightly finds nothing sharp in them."""
NEEDS = TrainingNeeds(resolution=RESOLUTION, token_abstraction=(TRIGGER,))

Fault = Callable[[np.ndarray], np.ndarray]


def whole(rgb: np.ndarray) -> np.ndarray:
    """No fault."""
    return rgb


def out_of_focus(rgb: np.ndarray) -> np.ndarray:
    """So much that it still shows at 64 pixels, of which the blur disk is five across."""
    return make.out_of_focus(rgb, 40)


def shaken(rgb: np.ndarray) -> np.ndarray:
    """Over five of 64 pixels."""
    return make.shaken(rgb, 80, 30)


def dark(rgb: np.ndarray) -> np.ndarray:
    """Four stops too little light."""
    return make.exposed(rgb, -4)


def bordered(rgb: np.ndarray) -> np.ndarray:
    """A black one, of a third of the picture's side."""
    return make.bordered(rgb, 0.33, (0, 0, 0), "tblr")


COPIES = 3
FAULTS: Sequence[Fault] = (*[whole] * COPIES, out_of_focus, out_of_focus, shaken, dark, bordered)
"""Of the second half of the photos "with faults", in turn; the first three of them are copies of the first photo."""
POOR: Sequence[Fault] = (out_of_focus, shaken, dark, whole)
"""Of "poor" photos, in turn; what is whole is all at one place in one room."""


def write_photo_set(folder: Path, photos: PhotoSet, seed: int) -> Path:
    """Write the photos with their captions below `folder`; returns the folder to train on."""
    scenes = scenes_of(photos, seed)
    target = folder / "photos"
    write_photos(target, scenes, [trigger_caption(scene) for scene in scenes])
    for number, (path, fault) in enumerate(zip(sorted(target.glob("*.jpg")), faults_of(photos), strict=True)):
        rgb = make.noisy(np.asarray(Image.open(path)), GRAIN, seed * 1000 + number)
        write_bytes(path, make.jpeg(fault(rgb)))
    return mend(target) if photos.kind == "mended" else target


def scenes_of(photos: PhotoSet, seed: int) -> list[Scene]:
    """What the photos show; sets of one seed begin with the same scenes."""
    scenes = standard_scenes(photos.count, seed)
    if photos.kind == "good":
        return scenes
    if photos.kind == "poor":
        return [_poor(scene, number, seed) for number, scene in enumerate(scenes)]
    half = photos.count // 2
    return [*scenes[:half], *[scenes[0]] * COPIES, *scenes[half + COPIES :]]


def _poor(scene: Scene, number: int, seed: int) -> Scene:
    """The same from far away."""
    if POOR[number % len(POOR)] is whole:
        return mascot_scene("photo", "room", "small", list(PLACES)[seed % len(PLACES)], seed)
    (thing,) = scene.things
    return replace(scene, things=(replace(thing, size="small"),))


def faults_of(photos: PhotoSet) -> list[Fault]:
    """One for each photo."""
    if photos.kind == "good":
        return [whole] * photos.count
    if photos.kind == "poor":
        return [POOR[number % len(POOR)] for number in range(photos.count)]
    return [*[whole] * (photos.count - len(FAULTS)), *FAULTS]


def report_of(folder: Path) -> Report:
    """What `loratui lint --kind character` says."""
    return lint(open_dataset(folder), "character", NEEDS)


def mend(folder: Path) -> Path:
    """As `loratui lint --fix --unsafe-fixes` does: the folder itself where there is nothing to mend."""
    dataset = open_dataset(folder)
    fixes = plan_fixes(dataset, report_of(folder), unsafe=True, needs=NEEDS)
    return apply_fixes(dataset, fixes).copy.root if fixes else folder


def findings(folder: Path) -> Mapping[str, int]:
    """How many photos each rule names as a warning or an error."""
    named: Counter[str] = Counter()
    for finding in report_of(folder).findings:
        if finding.severity != "info":
            named[finding.code] += len(finding.photos)
    return dict(sorted(named.items()))


def draw_class_images(folder: Path, count: int) -> None:
    """Real pictures of the class: monsters as pre-training shows them, in its style of a photo."""
    draws = random.Random("class images")
    scenes = iter(lambda: single_object_scene(draws, seen_scene), None)
    wanted = (scene for scene in scenes if scene.things[0].kind == MONSTER and scene.style == "photo")
    for number, scene in zip(range(count), wanted, strict=False):
        draw(scene, RESOLUTION, RESOLUTION).save(folder / f"{number:03d}.png")
