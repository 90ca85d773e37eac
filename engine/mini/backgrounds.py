"""What lies behind the things of a scene: plain colours and seven sceneries."""

import random
from collections.abc import Callable
from math import sin

from PIL import Image, ImageDraw

from engine.mini.world import COLOURS, Scene

RGB = tuple[int, int, int]


def paint_background(canvas: Image.Image, scene: Scene, draws: random.Random) -> None:
    """Fill the canvas; a photo's colours fade from top to bottom, those of the other styles are flat."""
    if scene.background in COLOURS:
        _plain(canvas, scene, draws)
    else:
        _SCENERY[scene.background](Painter(canvas, draws, soft=scene.style == "photo"))


class Painter:
    """A canvas measured from 0 to 1 on both sides."""

    def __init__(self, canvas: Image.Image, draws: random.Random, soft: bool) -> None:
        self.canvas = canvas
        self.brush = ImageDraw.Draw(canvas)
        self.draws = draws
        self.soft = soft

    def between(self, low: float, high: float) -> float:
        """A number drawn from low to high."""
        return self.draws.uniform(low, high)

    def colour(self, red: int, green: int, blue: int) -> RGB:
        """The colour, a little off in each channel."""
        first, second, third = (min(255, max(0, c + self.draws.randint(-10, 10))) for c in (red, green, blue))
        return first, second, third

    def band(self, top: float, bottom: float, colour: RGB, fade: RGB | None = None) -> None:
        """A stripe across the canvas, fading towards another colour in a photo."""
        width, height = self.canvas.size
        first, last = round(top * height), round(bottom * height)
        if not self.soft or fade is None or last <= first:
            self.brush.rectangle((0, first, width, last), fill=colour)
            return
        gradient = Image.linear_gradient("L").resize((width, last - first), Image.Resampling.BILINEAR)
        box = (0, first, width, last)
        self.brush.rectangle(box, fill=colour)
        self.canvas.paste(fade, (0, first), gradient)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: RGB) -> None:
        """A filled box."""
        width, height = self.canvas.size
        self.brush.rectangle((left * width, top * height, right * width, bottom * height), fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: RGB) -> None:
        """A filled circle, its radius in shares of the shorter side."""
        width, height = self.canvas.size
        size = radius * min(width, height)
        self.brush.ellipse((x * width - size, y * height - size, x * width + size, y * height + size), fill=colour)

    def area(self, points: list[tuple[float, float]], colour: RGB) -> None:
        """A filled polygon."""
        width, height = self.canvas.size
        self.brush.polygon([(x * width, y * height) for x, y in points], fill=colour)

    def hill(self, level: float, swing: float, colour: RGB) -> None:
        """Everything below a wavy line."""
        phase, speed = self.between(0, 6.3), self.between(4, 8)
        line = [(x / 24, level + swing * sin(phase + speed * x / 24)) for x in range(25)]
        self.area([*line, (1, 1), (0, 1)], colour)


def _plain(canvas: Image.Image, scene: Scene, draws: random.Random) -> None:
    painter = Painter(canvas, draws, soft=scene.style == "photo")
    colour = painter.colour(*COLOURS[scene.background])
    darker = (int(0.72 * colour[0]), int(0.72 * colour[1]), int(0.72 * colour[2]))
    painter.band(0, 1, colour, darker)
    if scene.striped_background:
        step = draws.uniform(0.2, 0.26)
        left = draws.uniform(-step, 0)
        while left < 1:
            painter.rectangle(left, 0, left + step / 2, 1, darker)
            left += step


def _beach(painter: Painter) -> None:
    sea, sand = painter.between(0.3, 0.4), painter.between(0.54, 0.64)
    painter.band(0, sea, painter.colour(132, 200, 244), (206, 234, 250))
    painter.disc(painter.between(0.1, 0.9), 0.13, 0.08, (255, 238, 150))
    painter.band(sea, sand, painter.colour(30, 118, 186), (70, 164, 210))
    painter.band(sand, 1, painter.colour(236, 212, 158), (222, 190, 130))
    painter.rectangle(0, sand - 0.02, 1, sand + 0.02, (246, 250, 250))


def _forest(painter: Painter) -> None:
    painter.band(0, 0.75, painter.colour(28, 78, 48), (52, 112, 62))
    x = painter.between(-0.04, 0.06)
    while x < 1:
        width = painter.between(0.05, 0.08)
        painter.rectangle(x, 0, x + width, 0.82, painter.colour(88, 60, 38))
        x += painter.between(0.17, 0.24)
    painter.band(0.76, 1, painter.colour(66, 96, 40), (48, 72, 32))
    for index in range(6):
        painter.disc(index / 5, painter.between(-0.02, 0.06), painter.between(0.12, 0.17), painter.colour(22, 98, 46))


def _snow(painter: Painter) -> None:
    painter.band(0, 0.6, painter.colour(168, 186, 208), (206, 216, 230))
    painter.hill(painter.between(0.52, 0.6), 0.04, painter.colour(238, 243, 250))
    for _ in range(22):
        painter.disc(painter.between(0, 1), painter.between(0, 1), 0.017, (255, 255, 255))
    x = painter.draws.choice((0.1, 0.9))
    tree = painter.colour(40, 86, 82)
    painter.area([(x, 0.16), (x - 0.15, 0.6), (x + 0.15, 0.6)], tree)


def _night(painter: Painter) -> None:
    painter.band(0, 1, painter.colour(14, 16, 44), (36, 34, 82))
    for _ in range(26):
        painter.disc(painter.between(0, 1), painter.between(0, 0.8), painter.between(0.006, 0.014), (244, 240, 200))
    x, y = painter.draws.choice((0.13, 0.87)), painter.between(0.12, 0.2)
    painter.disc(x, y, 0.09, (246, 240, 206))
    painter.disc(x + 0.04, y - 0.025, 0.075, (20, 22, 54))
    painter.hill(painter.between(0.84, 0.9), 0.03, (8, 10, 24))


def _city(painter: Painter) -> None:
    painter.band(0, 0.85, painter.colour(196, 206, 214), (226, 222, 212))
    x = painter.between(-0.1, 0)
    while x < 1:
        width, top = painter.between(0.16, 0.25), painter.between(0.1, 0.42)
        grey = painter.draws.randint(84, 138)
        painter.rectangle(x, top, x + width - 0.015, 0.86, (grey, grey, grey + 14))
        for column in (0.24, 0.62):
            for row in range(4):
                left, y = x + column * width, top + 0.06 + 0.13 * row
                if y < 0.78:
                    painter.rectangle(left, y, left + 0.2 * width, y + 0.05, (246, 222, 130))
        x += width
    painter.band(0.85, 1, painter.colour(70, 70, 76), (54, 54, 60))
    for index in range(4):
        painter.rectangle(0.03 + 0.26 * index, 0.915, 0.15 + 0.26 * index, 0.94, (232, 232, 226))


def _desert(painter: Painter) -> None:
    painter.band(0, 0.7, painter.colour(250, 186, 110), (255, 222, 160))
    painter.disc(painter.between(0.15, 0.85), painter.between(0.12, 0.2), 0.11, (255, 250, 220))
    painter.hill(painter.between(0.5, 0.56), 0.06, painter.colour(208, 132, 66))
    painter.hill(painter.between(0.68, 0.76), 0.05, painter.colour(184, 104, 48))
    x = painter.draws.choice((0.1, 0.9))
    green = painter.colour(70, 122, 62)
    painter.rectangle(x - 0.03, 0.34, x + 0.03, 0.74, green)
    painter.rectangle(x - 0.09, 0.44, x - 0.05, 0.58, green)
    painter.rectangle(x - 0.09, 0.53, x, 0.58, green)


def _room(painter: Painter) -> None:
    wall = painter.draws.choice(((206, 190, 172), (190, 200, 186), (212, 198, 206)))
    painter.band(0, 0.72, painter.colour(*wall), (176, 160, 148))
    left = painter.draws.choice((0.05, 0.62))
    painter.rectangle(left, 0.1, left + 0.33, 0.45, (250, 250, 246))
    painter.rectangle(left + 0.025, 0.125, left + 0.15, 0.425, (150, 208, 244))
    painter.rectangle(left + 0.18, 0.125, left + 0.305, 0.425, (150, 208, 244))
    painter.band(0.72, 1, painter.colour(142, 92, 56), (110, 70, 42))
    painter.rectangle(0, 0.7, 1, 0.735, (240, 234, 224))


_SCENERY: dict[str, Callable[[Painter], None]] = {
    "beach": _beach,
    "forest": _forest,
    "snow": _snow,
    "night": _night,
    "city": _city,
    "desert": _desert,
    "room": _room,
}
