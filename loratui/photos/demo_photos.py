"""The demo's photos: the mini model's mascot, drawn at a camera's size, with the faults that real folders have."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from curation.atomic import write_text
from engine.mini.drawing import draw
from engine.mini.mascot import CAPTION_COLUMN, TRIGGER, mascot_scene, trigger_caption
from engine.mini.world import Scene, Thing

SIZE, UPRIGHT = (1440, 1080), (1080, 1440)
TOO_SMALL = (48, 40)
GRAIN = 6.0  # a sensor's noise, standard deviation in 8-bit steps
DAYLIGHT, EVENING, OVERCAST, LAMP = (255, 255, 255), (255, 240, 220), (222, 230, 244), (250, 240, 222)

GOOD = {
    "beach.jpg": ("beach", "left", "medium", DAYLIGHT),
    "forest.jpg": ("forest", "bottom", "large", OVERCAST),
    "city.jpg": ("city", "right", "medium", EVENING),
    "yellow-wall.jpg": ("yellow", "left", "large", DAYLIGHT),
    "green-wall.jpg": ("green", "right", "large", OVERCAST),
    "pink-wall.jpg": ("pink", "bottom", "medium", EVENING),
}
"""Background, place, size and light of the photos to keep as they are."""
SAME_ROOM = (("left", "medium"), ("right", "large"), ("top", "medium"), ("middle", "large"))

FAR_AWAY = "far-away.jpg"
"""What is only a note to a linter: nothing mends it, and a person decides."""

EXIF_ORIENTATION = 0x0112
TURN_LEFT_TO_SHOW = 8

Captions = dict[str, str]


def write_demo_photos(folder: Path) -> None:
    """Write eighteen photos to `folder`, all but one with a caption that knows of no trigger word, in metadata.jsonl.

    The same bytes every time for the same libraries.
    """
    folder.mkdir(parents=True, exist_ok=True)
    captions = _write_good(folder) | _write_faulty(folder) | _write_same_room(folder)
    rows = [json.dumps({"file_name": name, CAPTION_COLUMN: caption}) for name, caption in captions.items()]
    write_text(folder / "metadata.jsonl", "\n".join(rows) + "\n")


def _write_good(folder: Path) -> Captions:
    """Photos to keep; the turned one and the cut-out need a safe fix first, and the latter a caption."""
    captions = {}
    for seed, (name, (background, place, size, light)) in enumerate(GOOD.items()):
        scene = mascot_scene("photo", background, size, place, seed)
        _save(_photo(scene, light), folder / name)
        captions[name] = _caption(scene)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURN_LEFT_TO_SHOW
    scene = mascot_scene("photo", "white", "large", seed=10)
    upright = _photo(scene, EVENING, UPRIGHT)
    _save(upright.transpose(Image.Transpose.ROTATE_270), folder / "turned-by-exif.jpg", exif)
    _cut_out().save(folder / "cut-out.png")
    return captions | {"turned-by-exif.jpg": _caption(scene)}


def _write_faulty(folder: Path) -> Captions:
    """One photo for each fault that a linter must find."""
    whole, cut_short = (folder / "beach.jpg").read_bytes(), (folder / "city.jpg").read_bytes()[:60_000]
    (folder / "beach_copy.jpg").write_bytes(whole)
    (folder / "truncated.jpg").write_bytes(cut_short)
    with Image.open(folder / "forest.jpg") as forest:
        _save(ImageOps.mirror(forest), folder / "forest_mirrored.jpg")
    star = _photo(Scene("photo", "blue", (Thing("star", "yellow", size="large"),), seed=20))
    _save(star.filter(ImageFilter.GaussianBlur(12)), folder / "blurred-star.jpg")
    too_small = mascot_scene("photo", "pink", "large", "left", seed=21)
    _save(_photo(too_small, size=TOO_SMALL), folder / "too-small.jpg")
    far_away = _photo(Scene("photo", "white", (), seed=22), EVENING)
    distant = ImageOps.contain(_cut_out(), (230, 230))
    far_away.paste(distant, (330, 480), distant)
    _save(far_away, folder / FAR_AWAY)
    return {
        "beach_copy.jpg": "a photo of a monster on the beach",
        "truncated.jpg": "a photo of a monster in the city",
        "forest_mirrored.jpg": "a photo of a monster in the forest",
        "blurred-star.jpg": "a photo of a large yellow star on a blue background",
        "too-small.jpg": _caption(too_small),
        FAR_AWAY: "a photo of a small monster on a white background",
    }


def _write_same_room(folder: Path) -> Captions:
    """The mascot in one room again and again, so that a model would learn the room with it."""
    captions = {}
    for number, (place, size) in enumerate(SAME_ROOM, start=1):
        scene = mascot_scene("photo", "room", size, place, seed=30)  # one seed: the same wall, window and floor
        _save(_photo(scene, LAMP), folder / f"same-room-{number}.jpg")
        captions[f"same-room-{number}.jpg"] = _caption(scene)
    return captions


def _caption(scene: Scene) -> str:
    return trigger_caption(scene).replace(TRIGGER, "a")


def _photo(scene: Scene, light: tuple[int, int, int] = DAYLIGHT, size: tuple[int, int] = SIZE) -> Image.Image:
    """The scene under coloured light (RGB, 255 leaves a channel as it is), with a sensor's grain."""
    pixels = np.asarray(draw(scene, *size), dtype=np.float32) * np.divide(light, 255)
    grain = np.random.default_rng(scene.seed).normal(0, GRAIN, (*pixels.shape[:2], 1))
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def _cut_out() -> Image.Image:
    """The mascot alone in RGBA: what stays the same in photos of it that differ in their background."""
    white, purple = (_photo(mascot_scene("photo", colour, "large", seed=11)) for colour in ("white", "purple"))
    behind = ImageChops.difference(white, purple).convert("L")
    white.putalpha(behind.point([255 * (difference < 3) for difference in range(256)]))
    return white


def _save(image: Image.Image, path: Path, exif: Image.Exif | None = None) -> None:
    image.save(path, quality=92, exif=exif or Image.Exif())
