"""The axes of a plot: round numbers, few enough to be read, and steady while a run goes on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loratui.terminal.braille import Range, extent

NICE = (1, 2, 5, 10)
LEAST_POSITIVE = 1e-12
"""On a logarithmic axis nothing is drawn below it: a rate or a loss that small is none."""


@dataclass(frozen=True)
class Axis:
    """What a plot's edges stand for, and the numbers to write at it. limits: logarithms where it is logarithmic."""

    limits: Range
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value stands within the limits; NaN for what a logarithmic axis cannot show."""
        if not self.log:
            return value
        return math.log10(value) if value >= LEAST_POSITIVE else math.nan


def axis_of(values: Sequence[float], most_ticks: int, log: bool = False) -> Axis:
    """An axis that holds all values, its limits rounded outwards to numbers that are ticks."""
    if log:
        return _log_axis([value for value in values if LEAST_POSITIVE <= value < math.inf], most_ticks)
    low, high = extent(values)
    step = _nice_step((high - low) / max(most_ticks - 1, 1))
    if step is None or not math.isfinite(high - low):
        return Axis((low, high), (low, high))
    first, last = math.floor(low / step), math.ceil(high / step)
    return Axis((first * step, last * step), tuple(number * step for number in range(first, last + 1)))


def steps_between(limits: Range, most_ticks: int) -> list[int]:
    """Whole, round numbers within the limits."""
    step = math.ceil(_nice_step((limits[1] - limits[0]) / max(most_ticks, 1)) or 1)
    first = math.ceil(limits[0] / step)
    return [number * step for number in range(first, math.floor(limits[1] / step) + 1)]


def _log_axis(values: Sequence[float], most_ticks: int) -> Axis:
    """From and to 1, 2 or 5 times a power of ten; where these are too many to write, powers of ten."""
    if not values:
        return Axis((0.0, 1.0), (1.0, 10.0), log=True)
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    numbers = [float(f"{nice}e{power}") for power in powers for nice in NICE[:3]]
    first = max(number for number in numbers if number <= low * (1 + 1e-9))
    last = min(number for number in numbers if number >= high * (1 - 1e-9) and number > first)
    ticks = [number for number in numbers if first <= number <= last]
    if len(ticks) > most_ticks:
        tens = [number for number in ticks[1:-1] if f"{number:e}".startswith("1.0")]
        room = max(most_ticks - 2, 1)
        ticks = [first, *tens[:: math.ceil(len(tens) / room) or 1], last]
    return Axis((math.log10(first), math.log10(last)), tuple(ticks), log=True)


def _nice_step(least: float) -> float | None:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`; None for what has no such step."""
    if not (0 < least < math.inf):
        return None
    power = math.floor(math.log10(least))
    step = next((nice * 10.0**power for nice in NICE if nice * 10.0**power >= least * (1 - 1e-9)), 10.0 ** (power + 1))
    return step if step > 0 else None
