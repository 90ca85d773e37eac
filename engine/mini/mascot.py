"""Photos of the mascot, the individual that pre-training never shows: what runs on the mini model learn from."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from curation.atomic import write_text, writing
from engine.mini.drawing import draw
from engine.mini.world import MASCOT, MONSTER, PLACES, SCENERY, STYLES, Scene, Thing, held_out

TRIGGER = "TOK"
CAPTION_COLUMN = "prompt"
SHOWN = ("beach", "forest", "city", "room", "yellow", "green", "pink", "white")
"""The backgrounds of `standard_scenes`."""
NEW = ("snow", "night", "desert", "red", "blue", "purple")
"""Backgrounds that no photo of them shows, to ask for afterwards. Orange is neither: the mascot's ears are orange."""
JPEG_QUALITY = 92


def mascot_scene(style: str, background: str, size: str = "medium", place: str = "middle", seed: int = 0) -> Scene:
    """The mascot alone.  style, background, size, place: as `engine.mini.world` names them."""
    thing = Thing(MONSTER, MASCOT.colour, "plain", size, place, MASCOT)
    return Scene(style, background, (thing,), seed=seed)


def standard_scenes(count: int, seed: int = 0) -> list[Scene]:
    """Photos to learn from, varied in background, place and size as evenly as can be; the same ones for a seed.

    No pair of background and place is one that pre-training leaves out: the individual alone is new.
    """
    draws = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        places, sizes = draws.sample(list(PLACES), len(PLACES)), ("medium", "large")
        for background in draws.sample(SHOWN, len(SHOWN)):
            number = len(scenes)
            size = sizes[number % len(sizes)]
            turns = (places[(number + turn) % len(places)] for turn in range(len(places)))
            scene = next(
                scene
                for place in turns
                if not held_out(scene := mascot_scene("photo", background, size, place, draws.getrandbits(32)))
            )
            scenes.append(scene)
    return scenes[:count]


def trigger_caption(scene: Scene) -> str:
    """Style, place and background in the world's words, the mascot by its trigger word and its class noun alone.

    Such as "a photo of TOK monster on the left on the beach": what is not said goes into the trigger word.
    """
    (thing,) = scene.things
    return f"{STYLES[scene.style]} {TRIGGER} {MONSTER} {PLACES[thing.place]} {where(scene.background)}"


def where(background: str) -> str:
    """A background as captions say it: "on the beach", "on a red background"."""
    article = "an" if background[0] in "aeiou" else "a"
    return SCENERY.get(background, f"on {article} {background} background")


def write_photos(
    folder: Path, scenes: Sequence[Scene], captions: Sequence[str], size: tuple[int, int] = (768, 768)
) -> None:
    """Draw each scene to `folder` as 000.jpg, 001.jpg, and so on, with its caption in metadata.jsonl.

    captions: one for each.  size: width and height in pixels.
    """
    rows: list[str] = []
    for number, (scene, caption) in enumerate(zip(scenes, captions, strict=True)):
        name = f"{number:03d}.jpg"
        with writing(folder / name) as temporary:
            draw(scene, *size).save(temporary, format="JPEG", quality=JPEG_QUALITY)
        rows.append(json.dumps({"file_name": name, CAPTION_COLUMN: caption}) + "\n")
    write_text(folder / "metadata.jsonl", "".join(rows))
