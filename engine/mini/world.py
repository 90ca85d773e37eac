"""The small world that the mini model paints: what there is in it, what is said of it, and what is kept from it.

A scene is drawn by `engine.mini.drawing` and described by `caption`, both from the same facts.
"""

import random
from dataclasses import dataclass, field, replace

RESOLUTION = 64
"""Pixels on a side of what the model paints."""

COLOURS = {
    "red": (214, 38, 38),
    "orange": (245, 130, 24),
    "yellow": (250, 216, 44),
    "green": (46, 158, 66),
    "blue": (40, 92, 214),
    "purple": (132, 56, 176),
    "pink": (247, 146, 190),
    "white": (246, 246, 242),
}
MASCOT_COLOURS = {"teal": (24, 186, 176)}  # nothing in pre-training has it

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "moon", "ring")
MONSTER = "monster"
TEXTURES = ("plain", "striped", "dotted")
SIZES = ("small", "medium", "large")
PLACES = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "middle": "in the middle",
}
STYLES = {"photo": "a photo of", "cartoon": "a cartoon of", "pixels": "pixel art of"}
SCENERY = {
    "beach": "on the beach",
    "forest": "in the forest",
    "snow": "in the snow",
    "night": "at night",
    "city": "in the city",
    "desert": "in the desert",
    "room": "in a room",
}
BACKGROUNDS = (*COLOURS, *SCENERY)

HEADS = ("round", "square", "tall", "pear")
EARS = ("round", "pointed", "long", "horns", "antennas")
EYES = ("one", "two", "three")
MARKINGS = ("none", "stripes", "spots", "patch")
MARKED = {"stripes": "striped", "spots": "spotted"}
MOUTHS = ("smile", "open", "teeth")


@dataclass(frozen=True)
class Monster:
    """One individual of the face-like class.  accent: the colour of its ears and markings."""

    head: str
    ears: str
    eyes: str
    marking: str
    mouth: str
    colour: str
    accent: str

    @property
    def traits(self) -> tuple[str, str, str, str]:
        """What tells individuals apart besides their colours."""
        return self.head, self.ears, self.eyes, self.marking


MASCOT = Monster("tall", "long", "one", "spots", "smile", "teal", "orange")
"""The individual that the demo and the quality tests teach; nothing that resembles it is drawn in pre-training."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene.  kind: a shape, or a monster, which then has its individual."""

    kind: str
    colour: str
    texture: str = "plain"
    size: str = "medium"
    place: str = "middle"
    individual: Monster | None = None


@dataclass(frozen=True)
class Scene:
    """What is drawn.  background: a colour or a scenery.  seed: everything that the words leave open."""

    style: str
    background: str
    things: tuple[Thing, ...]
    striped_background: bool = False
    seed: int = field(default=0, compare=False)


def held_out(scene: Scene) -> bool:
    """Whether the scene has a pair that pre-training never sees: colour and shape, style and shape, or background and
    place.  An eighth of the first two, a tenth of the last; each word is seen with many others."""
    return any(
        unseen_colour(thing.kind, thing.colour)
        or unseen_style(thing.kind, scene.style)
        or unseen_place(scene.background, thing.place)
        for thing in scene.things
    )


def unseen_colour(kind: str, colour: str) -> bool:
    """Whether this shape is never seen in this colour."""
    return kind in SHAPES and colour in COLOURS and (SHAPES.index(kind) + list(COLOURS).index(colour)) % 8 == 3


def unseen_style(kind: str, style: str) -> bool:
    """Whether this shape is never seen in this style."""
    return (kind, style) in {("cross", "photo"), ("moon", "cartoon"), ("heart", "pixels")}


def unseen_place(background: str, place: str) -> bool:
    """Whether nothing is ever seen in this place on this background."""
    return (BACKGROUNDS.index(background) + 2 * list(PLACES).index(place)) % 10 == 0


def resembles_mascot(monster: Monster) -> bool:
    """Whether three of the mascot's four traits, or more, are the same."""
    return sum(a == b for a, b in zip(monster.traits, MASCOT.traits, strict=True)) >= 3


def random_scene(draws: random.Random) -> Scene:
    """Any scene of the world, held-out ones and the mascot's like too; see `seen_scene`."""
    style = draws.choice(list(STYLES))
    background = draws.choice(list(COLOURS) if draws.random() < 0.45 else list(SCENERY))
    if draws.random() < 0.12:
        places = draws.choice([("left", "right"), ("top", "bottom"), ("right", "left"), ("bottom", "top")])
        things = tuple(replace(_thing(draws, background), size="small", place=place) for place in places)
    else:
        things = (_thing(draws, background),)
    striped = background in COLOURS and draws.random() < 0.15
    return Scene(style, background, things, striped, draws.getrandbits(32))


def seen_scene(draws: random.Random) -> Scene:
    """A scene of pre-training: nothing held out, nobody who resembles the mascot."""
    while True:
        scene = random_scene(draws)
        individuals = [thing.individual for thing in scene.things if thing.individual]
        if not held_out(scene) and not any(resembles_mascot(individual) for individual in individuals):
            return scene


def random_monster(draws: random.Random) -> Monster:
    """Any individual."""
    colour, accent = draws.sample(list(COLOURS), 2)
    traits = (draws.choice(HEADS), draws.choice(EARS), draws.choice(EYES), draws.choice(MARKINGS))
    return Monster(*traits, draws.choice(MOUTHS), colour, accent)


def _thing(draws: random.Random, background: str) -> Thing:
    """One object that is not of the background's colour."""
    place, size = draws.choice(list(PLACES)), draws.choice(SIZES)
    if draws.random() < 0.4:
        while (monster := random_monster(draws)).colour == background:
            pass
        return Thing(MONSTER, monster.colour, "plain", size, place, monster)
    colour = draws.choice([colour for colour in COLOURS if colour != background])
    texture = draws.choice(("plain", "plain", "striped", "dotted"))
    return Thing(draws.choice(SHAPES), colour, texture, size, place)


def caption(scene: Scene, draws: random.Random | None = None) -> str:
    """The scene in words.  With draws, some of what could be said is left out, as people leave it out."""

    def said(share: float) -> bool:
        return draws is None or draws.random() < share

    words = [STYLES[scene.style]] if said(0.9) else []
    for number, thing in enumerate(scene.things):
        words += ["and"] * (number > 0)
        words += _noun(thing, said)
        if len(scene.things) > 1 or said(0.8):
            words.append(PLACES[thing.place])
    if said(0.92):
        words.append(_where(scene))
    return " ".join(words)


def _noun(thing: Thing, said) -> list[str]:
    """The thing with its article and adjectives, an individual with some of its traits."""
    adjectives = [thing.size] if thing.size != "medium" and said(0.8) else []
    individual = thing.individual
    if individual is None:
        adjectives += [thing.texture] if thing.texture != "plain" and said(0.9) else []
        adjectives += [thing.colour] if said(0.95) else []
        return [_with_article([*adjectives, thing.kind])]
    described = said(0.5)
    if described and individual.marking in MARKED and said(0.7):
        adjectives.append(MARKED[individual.marking])
    if described or said(0.3):
        adjectives.append(individual.colour)
    words = [_with_article([*adjectives, thing.kind])]
    if described and said(0.7):
        ears = individual.ears if individual.ears in ("horns", "antennas") else f"{individual.ears} ears"
        eyes = f"{individual.eyes} eye{'s' * (individual.eyes != 'one')}"
        words.append(f"with {ears} and {eyes}")
    return words


def _with_article(words: list[str]) -> str:
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([article, *words])


def _where(scene: Scene) -> str:
    if scene.background in SCENERY:
        return SCENERY[scene.background]
    words = [*(["striped"] if scene.striped_background else []), scene.background, "background"]
    return "on " + _with_article(words)
