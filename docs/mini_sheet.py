"""Draw docs/images/mini-world.png: a row of each style of the mini model's world, and a row of the mascot.

Run it from the repository's root: uv run python docs/mini_sheet.py
"""

import random
from pathlib import Path

from PIL import Image

from curation.atomic import writing
from engine.mini.drawing import draw
from engine.mini.mascot import mascot_scene
from engine.mini.world import PLACES, SCENERY, STYLES, Scene, caption, seen_scene

SHEET = Path(__file__).parent / "images" / "mini-world.png"
COLUMNS, SIDE, GAP = 8, 96, 4
SEED = 5


def rows() -> list[list[Scene]]:
    """What is drawn: scenes as pre-training has them, and the one individual that it never has."""
    draws = random.Random(SEED)
    seen = [[_scene(draws, style) for _ in range(COLUMNS)] for style in STYLES]
    mascot = [
        mascot_scene(draws.choice(list(STYLES)), background, "large", draws.choice(list(PLACES)), seed)
        for seed, background in enumerate((*SCENERY, "white"))
    ]
    return [*seen, mascot]


def _scene(draws: random.Random, style: str) -> Scene:
    return next(scene for scene in iter(lambda: seen_scene(draws), None) if scene.style == style)


def sheet(scenes: list[list[Scene]]) -> Image.Image:
    """The scenes side by side, in few enough colours for a small file."""
    step = SIDE + GAP
    picture = Image.new("RGB", (COLUMNS * step - GAP, len(scenes) * step - GAP), "white")
    for row, line in enumerate(scenes):
        for column, scene in enumerate(line):
            picture.paste(draw(scene, SIDE, SIDE), (column * step, row * step))
    return picture.quantize(192)


if __name__ == "__main__":
    drawn = rows()
    with writing(SHEET) as temporary:
        sheet(drawn).save(temporary, format="PNG", optimize=True)
    for line in drawn:
        print(caption(line[0]))  # noqa: T201
