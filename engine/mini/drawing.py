"""Draws scenes at any size: the sixty-four pixels of pre-training, or the size of a photo from a camera."""

import random
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from engine.mini import shapes
from engine.mini.backgrounds import paint_background
from engine.mini.shapes import Part, Points
from engine.mini.world import COLOURS, MASCOT_COLOURS, Scene, Thing

RGB = tuple[int, int, int]

RADII = {"small": (0.17, 0.2), "medium": (0.24, 0.28), "large": (0.32, 0.37)}
"""Ranges of the radius, in shares of the picture's shorter side."""
CENTRES = {"left": (0.27, 0.5), "right": (0.73, 0.5), "top": (0.5, 0.27), "bottom": (0.5, 0.73), "middle": (0.5, 0.5)}
PIXELS_ACROSS = 16
"""How many squares the shorter side of pixel art has."""
DARK: RGB = (28, 24, 32)
LIGHT: RGB = (250, 250, 250)
PALETTE = COLOURS | MASCOT_COLOURS


def draw(scene: Scene, width: int, height: int) -> Image.Image:
    """The scene in RGB. The same scene and size give the same pixels; another size, the same scene drawn anew."""
    draws = random.Random(scene.seed)
    scale = 3 if min(width, height) < 256 else 2
    canvas = Image.new("RGB", (width * scale, height * scale))
    paint_background(canvas, scene, draws)
    for thing in scene.things:
        _paint_thing(canvas, thing, scene.style, draws)
    if scene.style == "pixels":
        square = min(width, height) / PIXELS_ACROSS
        squares = (round(width / square), round(height / square))
        return canvas.resize(squares, Image.Resampling.BOX).resize((width, height), Image.Resampling.NEAREST)
    picture = canvas.resize((width, height), Image.Resampling.BOX)
    return _photographed(picture, draws) if scene.style == "photo" else picture


def jittered(colour: RGB, draws: random.Random, by: int = 14) -> RGB:
    """The colour, a little off in each channel."""
    red, green, blue = (min(255, max(0, channel + draws.randint(-by, by))) for channel in colour)
    return red, green, blue


def _paint_thing(canvas: Image.Image, thing: Thing, style: str, draws: random.Random) -> None:
    short = min(canvas.size)
    radius = draws.uniform(*RADII[thing.size])
    x, y = (
        side * (part + draws.uniform(-0.03, 0.03)) for side, part in zip(canvas.size, CENTRES[thing.place], strict=True)
    )
    margin = 0.9 * radius * short  # what would stick out is moved in
    centre = (min(max(x, margin), canvas.width - margin), min(max(y, margin), canvas.height - margin))
    colours = _colours(thing, draws)
    parts = shapes.monster(thing.individual) if thing.individual else shapes.shape(thing.kind)
    turn = draws.uniform(-0.12, 0.12)
    placed = [Part(_placed(part.points, centre, radius * short, turn), part.fill) for part in parts]

    layer = Image.new("RGB", canvas.size)
    mask = Image.new("L", canvas.size)
    outline = max(1, round(0.03 * short)) if style == "cartoon" else 0
    for part in placed:
        _paint_part(layer, mask, part, colours, outline)
    if thing.texture != "plain":
        _texture(layer, mask, thing.texture, colours["body"], radius * short, draws)
    if style == "photo":
        _shade(layer, centre, radius * short)
        _cast_shadow(canvas, mask, radius * short)
    if outline:
        canvas.paste(DARK, (0, 0), _outlines(placed, canvas.size, outline))
    canvas.paste(layer, (0, 0), mask)


def _colours(thing: Thing, draws: random.Random) -> dict[str, RGB]:
    accent = thing.individual.accent if thing.individual else thing.colour
    return {
        "body": jittered(PALETTE[thing.colour], draws),
        "accent": jittered(PALETTE[accent], draws),
        "dark": DARK,
        "light": LIGHT,
    }


def _placed(points: Points, centre: tuple[float, float], radius: float, turn: float) -> Points:
    turning = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    return points @ turning * radius + np.array(centre)


def _corners(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]


def _paint_part(layer: Image.Image, mask: Image.Image, part: Part, colours: dict[str, RGB], outline: int) -> None:
    corners = _corners(part.points)
    if part.fill == "hole":
        ImageDraw.Draw(mask).polygon(corners, fill=0)
        return
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    brush = ImageDraw.Draw(layer)
    brush.polygon(corners, fill=colours[part.fill])
    if outline and part.fill in ("body", "accent"):
        brush.line([*corners, corners[0]], fill=DARK, width=max(1, outline // 2), joint="curve")


def _outlines(parts: Sequence[Part], size: tuple[int, int], width: int) -> Image.Image:
    mask = Image.new("L", size)
    brush = ImageDraw.Draw(mask)
    for part in parts:
        corners = _corners(part.points)
        brush.line([*corners, *corners[:2]], fill=255, width=2 * width, joint="curve")
    return mask


def _texture(
    layer: Image.Image, mask: Image.Image, texture: str, colour: RGB, radius: float, draws: random.Random
) -> None:
    """Stripes or dots over the whole layer, lighter than the colour, or darker where that is light."""
    other = tuple(int(0.45 * c) for c in colour) if sum(colour) > 480 else tuple(int(0.35 * c + 165) for c in colour)
    pattern = Image.new("L", layer.size)
    brush = ImageDraw.Draw(pattern)
    step = 0.52 * radius
    width, height = layer.size
    if texture == "striped":
        for y in np.arange(draws.uniform(0, step), height, step):
            brush.rectangle((0, y, width, y + 0.45 * step), fill=255)
    else:
        for row, y in enumerate(np.arange(draws.uniform(0, step), height, step)):
            for x in np.arange(step * (row % 2) / 2, width, step):
                brush.ellipse((x - 0.26 * step, y - 0.26 * step, x + 0.26 * step, y + 0.26 * step), fill=255)
    layer.paste(other, (0, 0), ImageChops.darker(pattern, mask))


@cache
def _light() -> Image.Image:
    return Image.radial_gradient("L")


def _shade(layer: Image.Image, centre: tuple[float, float], radius: float) -> None:
    """Light from the upper left: bright there, dark at the far rim."""
    across = round(3.2 * radius)
    corner = (round(centre[0] - 0.42 * across - 0.3 * radius), round(centre[1] - 0.42 * across - 0.3 * radius))
    gradient = _light().resize((across, across))
    bright = Image.new("L", layer.size)
    bright.paste(gradient.point([max(0, 150 - 3 * value) for value in range(256)]), corner)
    dark = Image.new("L", layer.size, 130)
    dark.paste(gradient.point([min(130, max(0, value - 90)) for value in range(256)]), corner)
    layer.paste(LIGHT, (0, 0), bright)
    layer.paste(DARK, (0, 0), dark)


def _cast_shadow(canvas: Image.Image, mask: Image.Image, radius: float) -> None:
    """A soft shadow below and to the right."""
    small = mask.resize((max(1, mask.width // 6), max(1, mask.height // 6)), Image.Resampling.BOX)
    soft = small.filter(ImageFilter.GaussianBlur(radius / 36)).point([round(0.5 * value) for value in range(256)])
    shadow = Image.new("L", mask.size)
    shadow.paste(soft.resize(mask.size, Image.Resampling.BILINEAR), (round(0.2 * radius), round(0.24 * radius)))
    canvas.paste(DARK, (0, 0), shadow)


def _photographed(picture: Image.Image, draws: random.Random) -> Image.Image:
    """As a lens shows it: a little darker towards the corners."""
    gradient = _light().resize(picture.size, Image.Resampling.BILINEAR)
    strength = draws.uniform(0.3, 0.5)
    vignette = gradient.point([round(strength * max(0, value - 120)) for value in range(256)])
    picture.paste((0, 0, 0), (0, 0), vignette)
    return picture
