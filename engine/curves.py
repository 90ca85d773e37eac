"""What is drawn of a run's steps: curves that stay small however long the run, and lose no peak."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from engine.events import Event, Started, Step

MOST_POINTS = 2048  # a terminal shows a few hundred; the rest would only cost memory
SMOOTHINGS = (10, 50, 200)  # running means are over about so many steps
SMOOTHING_STEPS = 50  # where one of them stands for all
MOST_GROUPS = 4  # of parameters; a run has two

Point = tuple[int, float]


@dataclass
class Curve:
    """Values by step: of each stretch of `length` steps the lowest and the highest, of longer ones as there are more.

    pending: lowest and highest of the stretch that is not full yet, which has `pending_length` steps.
    """

    stretches: list[Point] = field(default_factory=list)
    length: int = 2
    pending: list[Point] = field(default_factory=list)
    pending_length: int = 0

    @property
    def points(self) -> list[Point]:
        """By step, at most MOST_POINTS of them."""
        return self.stretches + self.pending

    def add(self, step: int, value: float) -> None:
        """Append a point; steps grow."""
        if len(self.pending) < 2:
            self.pending.append((step, value))
        else:
            self._widen(step, value)
        self.pending_length += 1
        if self.pending_length >= self.length:
            self.stretches += self.pending
            self.pending, self.pending_length = [], 0
            if len(self.stretches) > MOST_POINTS - 2:
                self._halve()

    def cut(self, step: int) -> None:
        """Forget the points after `step`."""
        self.stretches = [point for point in self.stretches if point[0] <= step]
        self.pending = [point for point in self.pending if point[0] <= step]

    def _widen(self, step: int, value: float) -> None:
        """What `_extremes` does with the two of `pending` and this one, but fast: it is done for every step."""
        low, high = self.pending[-2:]
        if low[1] > high[1]:
            low, high = high, low
        if value < low[1]:
            low = (step, value)
        elif value >= high[1]:
            high = (step, value)
        self.pending = [low, high] if low[0] < high[0] else [high, low]

    def _halve(self) -> None:
        """Put every two stretches together."""
        pairs = range(0, len(self.stretches), 4)
        self.stretches = [point for start in pairs for point in _extremes(self.stretches[start : start + 4])]
        self.length *= 2


@dataclass
class Mean:
    """A running mean by step, and where it is now. step: the last one that counts in it."""

    curve: Curve = field(default_factory=Curve)
    value: float | None = None
    step: int = 0

    def add(self, step: int, value: float, steps: int) -> None:
        """Let a value count, over about `steps` steps, and for those before it that were passed over."""
        before = value if self.value is None else self.value
        kept = 1 - 1 / min(max(step, 1), steps)
        share = 1 - kept ** max(step - self.step, 1)
        self.step, self.value = step, before + (value - before) * share
        self.curve.add(step, self.value)

    def cut(self, step: int) -> None:
        """Forget what came after `step`."""
        self.curve.cut(step)
        end = self.curve.points[-1:]
        self.step, self.value = end[0] if end else (0, None)


@dataclass
class Measured:
    """A value that jumps from step to step. raw: as it was.  means: over about SMOOTHINGS steps; every one counts."""

    raw: Curve = field(default_factory=Curve)
    means: tuple[Mean, Mean, Mean] = field(default_factory=lambda: (Mean(), Mean(), Mean()))

    @property
    def points(self) -> list[Point]:
        """Each step's value; over a long run the lowest and the highest of each stretch."""
        return self.raw.points

    def mean(self, steps: int = SMOOTHING_STEPS) -> Mean:
        """The running mean over about `steps` steps, one of SMOOTHINGS."""
        return self.means[SMOOTHINGS.index(steps)]

    def add(self, step: int, value: float) -> None:
        self.raw.add(step, value)
        for steps, mean in zip(SMOOTHINGS, self.means, strict=True):
            mean.add(step, value, steps)

    def cut(self, step: int) -> None:
        self.raw.cut(step)
        for mean in self.means:
            mean.cut(step)


@dataclass
class Curves:
    """What a run's steps tell, by step. lrs: of each parameter group, as the schedule has it.

    effective_lrs: the UNet's, times Prodigy's d.
    """

    losses: Measured = field(default_factory=Measured)
    prior_losses: Measured = field(default_factory=Measured)
    grad_norms: Measured = field(default_factory=Measured)
    effective_lrs: Curve = field(default_factory=Curve)
    lrs: dict[str, Curve] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Draw on: a step is a point, and at a resume what came after its checkpoint is forgotten."""
        if isinstance(event, Step):
            self._add(event)
        elif isinstance(event, Started):
            measured = (self.losses, self.prior_losses, self.grad_norms)
            for curve in chain(measured, (self.effective_lrs,), self.lrs.values()):
                curve.cut(event.step)

    def _add(self, event: Step) -> None:
        self.losses.add(event.step, event.loss)
        if event.prior_loss is not None:
            self.prior_losses.add(event.step, event.prior_loss)
        self.grad_norms.add(event.step, event.grad_norm)
        self.effective_lrs.add(event.step, event.effective_lr)
        for name, lr in event.lr.items():
            if name not in self.lrs:
                if len(self.lrs) == MOST_GROUPS:
                    continue
                self.lrs[name] = Curve()
            self.lrs[name].add(event.step, lr)


def _extremes(points: Sequence[Point]) -> list[Point]:
    """The lowest and the highest, by step; of equal ones the first and the last."""
    low = min(points, key=lambda point: point[1])
    high = max(reversed(points), key=lambda point: point[1])
    return sorted({low, high})
