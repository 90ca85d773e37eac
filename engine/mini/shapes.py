"""The world's shapes and the parts of its monsters, as polygons around the origin, one unit in radius."""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from engine.mini.world import Monster

Points = np.ndarray
"""float64, shape (points, 2): x to the right, y downwards."""


@dataclass(frozen=True)
class Part:
    """A filled polygon.  fill: "body" and "accent" are the thing's colours, others are colours of their own."""

    points: Points
    fill: str


def shape(kind: str) -> list[Part]:
    """The parts of a plain shape; the ring's hole shows what lies behind it, and is the only part with that fill."""
    if kind == "ring":
        return [Part(ellipse(0, 0, 1, 1), "body"), Part(ellipse(0, 0, 0.5, 0.5), "hole")]
    return [Part(_SHAPES[kind], "body")]


def monster(individual: Monster) -> list[Part]:
    """The parts of one individual, back to front."""
    return [
        *_ears(individual.ears),
        Part(_HEADS[individual.head], "body"),
        *_marking(individual.marking, individual.head),
        *_eyes(individual.eyes),
        *_mouth(individual.mouth),
    ]


def ellipse(x: float, y: float, width: float, height: float, corners: int = 40) -> Points:
    """An ellipse by its centre and its two radii."""
    angles = np.linspace(0, 2 * pi, corners, endpoint=False)
    return np.stack([x + width * np.cos(angles), y + height * np.sin(angles)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """A rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)


def mirrored(points: Points) -> Points:
    """The same on the other side."""
    return points * (-1, 1)


def _star() -> Points:
    radii = [1.05 if index % 2 == 0 else 0.45 for index in range(10)]
    return np.array([(r * sin(pi * i / 5), 0.05 - r * cos(pi * i / 5)) for i, r in enumerate(radii)])


def _heart() -> Points:
    t = np.linspace(0, 2 * pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x / 16, (-y - 2.5) / 15], axis=1)


def _moon() -> Points:
    outer = np.linspace(0.25 * pi, 1.75 * pi, 36)
    inner = np.linspace(1.6 * pi, 0.4 * pi, 28)
    left = np.stack([np.cos(outer) + 0.2, np.sin(outer)], axis=1)
    right = np.stack([0.66 * np.cos(inner) + 0.62, 0.74 * np.sin(inner)], axis=1)
    return np.concatenate([left, right])


def _cross() -> Points:
    a, b = 0.33, 1.0
    corners = [
        (-a, -b),
        (a, -b),
        (a, -a),
        (b, -a),
        (b, a),
        (a, a),
        (a, b),
        (-a, b),
        (-a, a),
        (-b, a),
        (-b, -a),
        (-a, -a),
    ]
    return np.array(corners)


_SHAPES: dict[str, Points] = {
    "circle": ellipse(0, 0, 0.95, 0.95),
    "square": box(-0.84, -0.84, 0.84, 0.84),
    "triangle": np.array([(0, -1.0), (1.0, 0.8), (-1.0, 0.8)]),
    "star": _star(),
    "heart": _heart(),
    "cross": _cross(),
    "moon": _moon(),
}

_HEADS: dict[str, Points] = {
    "round": ellipse(0, 0.2, 0.78, 0.74),
    "square": box(-0.72, -0.48, 0.72, 0.9),
    "tall": ellipse(0, 0.16, 0.55, 0.84),
    "pear": np.concatenate([ellipse(0, 0.38, 0.84, 0.58)[:21], ellipse(0, -0.1, 0.46, 0.5)[20:], [(0.84, 0.38)]]),
}


def _pair(points: Points, fill: str) -> list[Part]:
    return [Part(points, fill), Part(mirrored(points), fill)]


def _ears(kind: str) -> list[Part]:
    if kind == "round":
        return _pair(ellipse(0.55, -0.5, 0.36, 0.36), "accent")
    if kind == "pointed":
        return _pair(np.array([(0.08, -0.42), (0.66, -1.05), (0.74, 0.05)]), "accent")
    if kind == "long":
        return _pair(ellipse(0.36, -0.72, 0.2, 0.58), "accent")
    if kind == "horns":
        return _pair(np.array([(0.3, -0.3), (0.86, -0.5), (0.84, -1.0), (1.1, -0.3), (0.6, 0.1)]), "accent")
    stalk = np.array([(0.16, -0.3), (0.46, -0.92), (0.56, -0.86), (0.3, -0.2)])
    return [*_pair(stalk, "dark"), *_pair(ellipse(0.52, -0.9, 0.2, 0.2), "accent")]


def _eyes(count: str) -> list[Part]:
    places = {"one": [(0, 0.02, 0.31)], "two": [(-0.28, 0.04, 0.22), (0.28, 0.04, 0.22)]}
    three = [(-0.32, 0.12, 0.17), (0.32, 0.12, 0.17), (0, -0.2, 0.17)]
    parts: list[Part] = []
    for x, y, radius in places.get(count, three):
        parts.append(Part(ellipse(x, y, radius, radius), "light"))
        parts.append(Part(ellipse(x, y, 0.5 * radius, 0.5 * radius), "dark"))
    return parts


def _mouth(kind: str) -> list[Part]:
    if kind == "smile":
        return [Part(np.array([(-0.34, 0.5), (0, 0.6), (0.34, 0.5), (0.2, 0.7), (0, 0.76), (-0.2, 0.7)]), "dark")]
    if kind == "open":
        return [Part(ellipse(0, 0.62, 0.2, 0.16), "dark")]
    return [Part(box(-0.3, 0.5, 0.3, 0.74), "dark"), Part(box(-0.22, 0.5, -0.02, 0.66), "light"),
            Part(box(0.04, 0.5, 0.24, 0.66), "light")]  # fmt: skip


def _marking(kind: str, head: str) -> list[Part]:
    wide = {"round": 0.7, "square": 0.72, "tall": 0.48, "pear": 0.74}[head]
    if kind == "stripes":
        bars = [(0.3, 0.42, wide), (0.62, 0.74, 0.8 * wide)]
        return [part for top, bottom, x in bars for part in _pair(box(0.42 * x, top, 0.96 * x, bottom), "accent")]
    if kind == "spots":
        spots = [(0.72 * wide, 0.36), (0.45 * wide, -0.3), (0.62 * wide, 0.66)]
        return [part for x, y in spots for part in _pair(ellipse(x, y, 0.12, 0.12, 12), "accent")]
    if kind == "patch":
        return [Part(ellipse(0, 0.58, 0.8 * wide, 0.28), "accent")]
    return []
