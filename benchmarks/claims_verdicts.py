"""Whether a claim holds among the records: differences between runs of one seed, and how far they can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Literal

from scipy.stats import t

from benchmarks.claims_questions import Claim, Expectation, Measure
from benchmarks.claims_results import Record

Answer = Literal["holds", "does not hold", "undecided"]
Records = Mapping[int, Record]
"""By seed."""

CONFIDENCE = 0.9
"""Of the interval of a mean difference; one in ten of them misses the truth."""
MARGIN = 0.05
"""Differences of grades, which reach from 0 to 1, that are too small to matter."""


@dataclass(frozen=True)
class Spread:
    """Some numbers in short. deviation: standard deviation; 0 of a single one."""

    mean: float
    deviation: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """At least one value."""
        return cls(mean(values), stdev(values) if len(values) > 1 else 0.0, len(values))

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true mean lies, at CONFIDENCE (Student, 1908); anywhere for less than two values."""
        if self.count < 2:
            return float("-inf"), float("inf")
        half = float(t.ppf((1 + CONFIDENCE) / 2, self.count - 1)) * self.deviation / self.count**0.5
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class Verdict:
    """difference: of the claim's measure, this less that, over the seeds that both have; None where none has both.

    against: the label that it was compared with.
    """

    claim: Claim
    answer: Answer
    against: str
    difference: Spread | None


def values_of(records: Records, measure: Measure) -> dict[int, float]:
    """The measure of each seed whose run did not fail."""
    return {
        seed: record.seconds if measure == "seconds" else record.grades[measure]
        for seed, record in records.items()
        if not record.problem
    }


def judge(claim: Claim, rows: Mapping[str, Records]) -> Verdict:
    """The claim among the rows of a table, by label."""
    others = {label: values_of(rows[label], claim.measure) for label in claim.against}
    others = {label: values for label, values in others.items() if values}
    this = values_of(rows[claim.this], claim.measure)
    if not others or not this:
        return Verdict(claim, "undecided", claim.against[0], None)
    against = max(others, key=lambda label: mean(others[label].values()))
    shared = sorted(this.keys() & others[against].keys())
    if not shared:
        return Verdict(claim, "undecided", against, None)
    difference = Spread.of([this[seed] - others[against][seed] for seed in shared])
    return Verdict(claim, answer(claim.expects, difference.interval), against, difference)


def answer(expects: Expectation, interval: tuple[float, float]) -> Answer:
    """What an interval of a difference says of a claim.

    More and less hold beyond chance; what goes the other way, or surely is within MARGIN, refutes them.  No less and
    alike hold where nothing beyond MARGIN is left against them; a difference beyond chance refutes them.
    """
    low, high = (-interval[1], -interval[0]) if expects == "less" else interval
    alike = low > -MARGIN and high < MARGIN
    match expects:
        case "more" | "less":
            holds, refuted = low > 0, high < 0 or alike
        case "no less":
            holds, refuted = low > -MARGIN, high < 0
        case "alike":
            holds, refuted = alike, low > 0 or high < 0
    return "holds" if holds else "does not hold" if refuted else "undecided"
