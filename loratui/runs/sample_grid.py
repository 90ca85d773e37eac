"""A run's sample pictures as a grid: a row for each prompt and seed, a column for each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.config import TrainConfig
from loratui.runs.monitor import Monitor


@dataclass(frozen=True)
class SampleRow:
    """Pictures that compare: the same prompt and seed. pictures: by step, in its order."""

    prompt: str
    seed: int
    pictures: Mapping[int, Path]

    def nearest(self, step: int) -> int:
        """The step of the picture nearest to `step`."""
        return min(self.pictures, key=lambda other: (abs(other - step), other))


def sample_rows(monitor: Monitor, config: TrainConfig) -> list[SampleRow]:
    """The rows of a run's grid, in the order in which its pictures are made.

    The seed of a prompt's pictures counts up from validation_seed, or else from the run's seed.
    """
    sample = config.sample
    first_seed = config.run.seed if sample.validation_seed is None else sample.validation_seed
    rows: dict[tuple[str, int], dict[int, Path]] = {}
    for step, pictures in list(monitor.sample_sets.items()):  # which another thread fills
        seen: dict[str, int] = {}
        for path in pictures:
            prompt = monitor.prompts.get(path, "")
            seed = first_seed + seen.get(prompt, 0)
            seen[prompt] = seen.get(prompt, 0) + 1
            rows.setdefault((prompt, seed), {})[step] = path
    return [SampleRow(prompt, seed, dict(sorted(pictures.items()))) for (prompt, seed), pictures in rows.items()]


def steps_of(rows: Sequence[SampleRow]) -> list[int]:
    """The steps of all rows."""
    return sorted({step for row in rows for step in row.pictures})


def spread(steps: Sequence[int], most: int) -> list[int]:
    """At most `most` of the steps, the first and the last among them, evenly spread."""
    if len(steps) <= most:
        return list(steps)
    if most < 2:
        return list(steps[-1:])
    return [steps[round(number * (len(steps) - 1) / (most - 1))] for number in range(most)]


def pairs(one: Sequence[SampleRow], other: Sequence[SampleRow]) -> list[tuple[SampleRow, SampleRow]]:
    """The rows of two runs that show the same: of equal prompts, in their order; without any, first with first."""
    found, free = [], list(other)
    for row in one:
        if match := next((each for each in free if each.prompt == row.prompt), None):
            free.remove(match)
            found.append((row, match))
    return found or list(zip(one, other, strict=False))
