"""Says what a picture of the small world shows: a small network that has learned from drawings alone.

`python -m engine.mini.judge [--steps N]` trains it from nothing with a fixed seed and replaces the shipped weights.
"""

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from curation import atomic
from engine.errors import EngineError
from engine.mini.drawing import draw
from engine.mini.world import (
    BACKGROUNDS,
    COLOURS,
    EARS,
    EYES,
    HEADS,
    MARKINGS,
    MASCOT,
    MASCOT_COLOURS,
    MONSTER,
    PLACES,
    RESOLUTION,
    SHAPES,
    SIZES,
    STYLES,
    TEXTURES,
    Monster,
    Scene,
    random_monster,
    random_scene,
)

WEIGHTS = Path(__file__).with_name("judge.safetensors")

TRAITS = {"head": HEADS, "ears": EARS, "eyes": EYES, "marking": MARKINGS, "accent": tuple(COLOURS)}
"""What only monsters have."""
ASPECTS: dict[str, tuple[str, ...]] = {
    "colour": (*COLOURS, *MASCOT_COLOURS),
    "shape": (*SHAPES, MONSTER),
    "place": tuple(PLACES),
    "background": BACKGROUNDS,
    "style": tuple(STYLES),
    "size": SIZES,
    "texture": TEXTURES,
    **TRAITS,
}
"""What is judged, and the answers there are."""

DRAWINGS, HELD_BACK = 40_000, 4_000
STEPS, BATCH, LEARNING_RATE = 5000, 64, 3e-3
UNASKED = -1  # the label of what a scene does not have


@dataclass(frozen=True)
class Judgement:
    """What one picture shows.  probabilities: of each aspect's answers, together 1.

    Those of a monster's traits mean something only where the shape is a monster, the texture where it is none.
    """

    probabilities: Mapping[str, Mapping[str, float]]

    def most_likely(self, aspect: str) -> str:
        """The likeliest answer."""
        answers = self.probabilities[aspect]
        return max(answers, key=answers.__getitem__)

    def probability(self, aspect: str, answer: str) -> float:
        """From 0 to 1."""
        return self.probabilities[aspect][answer]


def likeness(judgement: Judgement, individual: Monster) -> float:
    """How much the picture shows that individual, 0 to 1: the score of concept fidelity.

    The mean probability of its traits and colours, times the probability that it is a monster at all.
    """
    aspects = ("colour", *TRAITS)
    mean = sum(judgement.probability(aspect, getattr(individual, aspect)) for aspect in aspects) / len(aspects)
    return mean * judgement.probability("shape", MONSTER)


def facts(scene: Scene) -> dict[str, str]:
    """The true answers for a scene of one object: traits for a monster, the texture for any other."""
    (thing,) = scene.things
    individual = thing.individual
    return {
        "colour": thing.colour,
        "shape": thing.kind,
        "place": thing.place,
        "background": scene.background,
        "style": scene.style,
        "size": thing.size,
        **({trait: getattr(individual, trait) for trait in TRAITS} if individual else {"texture": thing.texture}),
    }


class Judge:
    """The trained network."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    @torch.no_grad()
    def judge(self, images: Sequence[Image.Image]) -> list[Judgement]:
        """One judgement for each picture, of any size: it is resized to 64 pixels a side.

        What is not square is squeezed, which hides a monster's traits and an object's size; colour, place, background
        and style stay right.
        """
        if not images:
            return []
        answers = answers_of(self.network(_normalized(to_tensor(images))))
        shares = {aspect: logits.softmax(dim=1).tolist() for aspect, logits in answers.items()}
        return [
            Judgement({aspect: dict(zip(ASPECTS[aspect], rows[index], strict=True)) for aspect, rows in shares.items()})
            for index in range(len(images))
        ]


def load_judge() -> Judge:
    """The judge with its shipped weights, in float32 on the CPU. Raises EngineError when they are missing."""
    if not WEIGHTS.is_file():
        raise EngineError("The judge's weights are missing.", "Train them with: python -m engine.mini.judge")
    network = build_network()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    return Judge(network)


def build_network() -> nn.Sequential:
    """Half a million parameters. It takes (batch, 3, 64, 64) in -1 to 1 and returns (batch, all aspects' answers).

    The last layers see where things are, which an average over the picture would lose.
    """
    return nn.Sequential(
        *_convolution(3, 32, stride=2),
        *_convolution(32, 48, stride=2),
        *_convolution(48, 64),
        *_convolution(64, 96, stride=2),
        *_convolution(96, 128),
        *_convolution(128, 64, stride=2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 128),
        nn.ReLU(),
        nn.Linear(128, sum(map(len, ASPECTS.values()))),
    )


def _convolution(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    size = 2 + stride  # 3, or 4 where it halves: no pixel counts less than its neighbour
    return [
        nn.Conv2d(before, after, size, stride, padding=1, bias=False),
        nn.GroupNorm(after // 8, after),
        nn.ReLU(),
    ]


def answers_of(logits: Tensor) -> dict[str, Tensor]:
    """The network's output, shape (batch, all answers), by aspect."""
    return dict(zip(ASPECTS, logits.split([len(answers) for answers in ASPECTS.values()], dim=1), strict=True))


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """Any pictures as uint8, shape (images, 3, 64, 64)."""
    small = [image.convert("RGB").resize((RESOLUTION, RESOLUTION), Image.Resampling.BOX) for image in images]
    return torch.from_numpy(np.stack([np.asarray(image) for image in small])).permute(0, 3, 1, 2)


def _normalized(pixels: Tensor) -> Tensor:
    return pixels.float() / 127.5 - 1


def single_object_scene(draws: random.Random, next_scene: Callable[[random.Random], Scene] = random_scene) -> Scene:
    """The next scene of one object: all that the judge knows to judge."""
    return next(scene for scene in iter(lambda: next_scene(draws), None) if len(scene.things) == 1)


def practice_scene(draws: random.Random) -> Scene:
    """One object, in any combination; one in ten is a monster in the mascot's colour, every second of those itself."""
    scene = single_object_scene(draws)
    if draws.random() < 0.9:
        return scene
    individual = MASCOT if draws.random() < 0.5 else replace(random_monster(draws), colour=MASCOT.colour)
    thing = replace(scene.things[0], kind=MONSTER, colour=MASCOT.colour, texture="plain", individual=individual)
    return replace(scene, things=(thing,))


def labels(scenes: Sequence[Scene]) -> Tensor:
    """The true answers' indices, int64, shape (scenes, aspects); -1 where there is nothing to ask."""
    rows = []
    for scene in scenes:
        true = facts(scene)
        rows.append([answers.index(true[name]) if name in true else UNASKED for name, answers in ASPECTS.items()])
    return torch.tensor(rows)


def train(steps: int, seed: int = 0) -> nn.Module:
    """A network trained on drawings, which are made once and softened anew in each batch.

    AdamW with one cycle of the learning rate (Smith & Topin, 2017, arXiv:1708.07120).
    """
    torch.manual_seed(seed)
    draws = random.Random(seed)
    scenes = [practice_scene(draws) for _ in range(DRAWINGS)]
    pixels, true = to_tensor([draw(scene, RESOLUTION, RESOLUTION) for scene in scenes]), labels(scenes)
    network = build_network()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=0.15)
    for step in range(steps):
        batch = torch.randint(DRAWINGS, (BATCH,))
        loss = _loss(network(softened(_normalized(pixels[batch]))), true[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)  # noqa: T201
    return network


def _loss(logits: Tensor, true: Tensor) -> Tensor:
    """The sum over the aspects, each the mean over the pictures that have it."""
    losses = [
        functional.cross_entropy(answers, indices, ignore_index=UNASKED)
        for answers, indices in zip(answers_of(logits).values(), true.T, strict=True)
    ]
    return torch.stack([loss.nan_to_num() for loss in losses]).sum()


def softened(pixels: Tensor) -> Tensor:
    """Some of the pictures blurred, some at a lower resolution, all with a little noise and other light.

    So that the soft edges of a small VAE are no strange sight.  pixels: float32, shape (batch, 3, 64, 64), in -1 to 1.
    """
    blurred = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    coarse = functional.interpolate(pixels, size=int(torch.randint(28, 56, ())), mode="bilinear", antialias=True)
    coarse = functional.interpolate(coarse, size=RESOLUTION, mode="bilinear")
    way = torch.rand(len(pixels), 1, 1, 1)
    soft = torch.where(way < 0.25, pixels.lerp(blurred, 0.8), torch.where(way < 0.5, coarse, pixels))
    contrast = 1 + 0.06 * torch.randn(len(pixels), 1, 1, 1)
    brightness = 0.04 * torch.randn(len(pixels), 3, 1, 1)
    noise = 0.06 * torch.rand(len(pixels), 1, 1, 1) * torch.randn_like(pixels)
    return (soft * contrast + brightness + noise).clamp(-1, 1)


def accuracies(judge: Judge, scenes: Sequence[Scene]) -> dict[str, float]:
    """The share of each aspect's right answers on drawings of the scenes, among those that have it."""
    right: dict[str, list[bool]] = {aspect: [] for aspect in ASPECTS}
    for scene, judgement in zip(
        scenes, judge.judge([draw(scene, RESOLUTION, RESOLUTION) for scene in scenes]), strict=True
    ):
        for aspect, answer in facts(scene).items():
            right[aspect].append(judgement.most_likely(aspect) == answer)
    return {aspect: sum(answers) / len(answers) for aspect, answers in right.items() if answers}


def save_weights(network: nn.Module, path: Path) -> None:
    """The weights in fp16, whole or not at all."""
    atomic.write_bytes(path, save({name: tensor.half() for name, tensor in network.state_dict().items()}))


def at_least_one(text: str) -> int:
    """A number from the command line; argparse tells of any other."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, at least 1")
    return int(text)


def main() -> None:
    """Trains the judge, replaces the shipped weights, and prints its accuracy on drawings that it has never seen."""
    parser = argparse.ArgumentParser(prog="python -m engine.mini.judge", description=main.__doc__)
    parser.add_argument("--steps", type=at_least_one, default=STEPS, help="updates, each on 64 drawings")
    arguments = parser.parse_args()
    save_weights(train(arguments.steps), WEIGHTS)
    draws = random.Random("held back")
    scenes = [practice_scene(draws) for _ in range(HELD_BACK)]
    for aspect, share in accuracies(load_judge(), scenes).items():
        print(f"{aspect}: {share:.1%}")  # noqa: T201


if __name__ == "__main__":
    main()
