"""What is drawn of a run's steps: curves that stay small however long the run, and lose no peak."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.events import Event, Started, Step

MOST_POINTS = 2048  # a terminal shows a few hundred; the rest would only cost memory
SMOOTHING_STEPS = 50  # the smoothed loss is a mean over about so many steps

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
        self.pending = _extremes([*self.pending, (step, value)])
        self.pending_length += 1
        if self.pending_length == self.length:
            self.stretches += self.pending
            self.pending, self.pending_length = [], 0
        if len(self.stretches) > MOST_POINTS - 2:
            self._halve()

    def cut(self, step: int) -> None:
        """Forget the points after `step`."""
        self.stretches = [point for point in self.stretches if point[0] <= step]
        self.pending = [point for point in self.pending if point[0] <= step]

    def _halve(self) -> None:
        """Put every two stretches together."""
        pairs = range(0, len(self.stretches), 4)
        self.stretches = [point for start in pairs for point in _extremes(self.stretches[start : start + 4])]
        self.length *= 2


@dataclass
class Curves:
    """Loss, its running mean and the UNet's effective learning rate."""

    losses: Curve = field(default_factory=Curve)
    smoothed_losses: Curve = field(default_factory=Curve)
    effective_lrs: Curve = field(default_factory=Curve)
    smoothed_loss: float | None = None
    smoothed_step: int = 0

    def take(self, event: Event) -> None:
        """Draw on: a step is a point, and at a resume what came after its checkpoint is forgotten."""
        if isinstance(event, Step):
            self.losses.add(event.step, event.loss)
            self.effective_lrs.add(event.step, event.effective_lr)
            self._smooth(event)
        elif isinstance(event, Started):
            for curve in (self.losses, self.smoothed_losses, self.effective_lrs):
                curve.cut(event.step)
            end = self.smoothed_losses.points[-1:]
            self.smoothed_step, self.smoothed_loss = end[0] if end else (0, None)

    def _smooth(self, event: Step) -> None:
        """The running mean; a loss counts for the steps before it that were passed over."""
        before = event.loss if self.smoothed_loss is None else self.smoothed_loss
        kept = 1 - 1 / min(max(event.step, 1), SMOOTHING_STEPS)
        share = 1 - kept ** max(event.step - self.smoothed_step, 1)
        self.smoothed_step, self.smoothed_loss = event.step, before + (event.loss - before) * share
        self.smoothed_losses.add(event.step, self.smoothed_loss)


def _extremes(points: Sequence[Point]) -> list[Point]:
    """The lowest and the highest, by step; of equal ones the first and the last."""
    low = min(points, key=lambda point: point[1])
    high = max(reversed(points), key=lambda point: point[1])
    return sorted({low, high})
