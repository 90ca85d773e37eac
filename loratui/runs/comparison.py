"""Two runs side by side: how their settings differ, and what came of each in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from curation.text import duration
from engine.comparison import run_differences
from engine.config import TrainConfig
from engine.differences import Difference
from engine.rundir import RunDir
from loratui.runs.monitor import Monitor


@dataclass(frozen=True)
class Comparison:
    """runs, monitors, configs: of the one and the other.  differences: `before` is the one's, `now` the other's."""

    monitors: tuple[Monitor, Monitor]
    configs: tuple[TrainConfig, TrainConfig]
    differences: Sequence[Difference]


def compare(one: RunDir, other: RunDir) -> Comparison:
    """Read both runs, which may take a second. Raises ConfigError for one whose config cannot be read."""
    monitors = Monitor(one), Monitor(other)
    for monitor in monitors:
        monitor.refresh()
    return Comparison(monitors, (one.config(), other.config()), run_differences(one, other))


def numbers(monitor: Monitor) -> dict[str, float | int | str | None]:
    """What came of a run, by name; None for what is not known."""
    return {
        "state": monitor.state,
        "step": monitor.step,
        "total_steps": monitor.total_steps,
        "photos": monitor.photos,
        "loss": monitor.smoothed_loss,
        "effective_lr": monitor.effective_lr,
        "seconds_per_step": monitor.seconds_per_step,
        "memory": monitor.memory,
        "verified": monitor.verified and monitor.verified.ok,
    }


def number_rows(comparison: Comparison) -> list[tuple[str, str, str]]:
    """The numbers of both runs in words, one row each; those that neither has are left out."""
    both = [numbers(monitor) for monitor in comparison.monitors]
    rows = [(name, _words(name, both[0][name]), _words(name, both[1][name])) for name in both[0]]
    return [row for row in rows if row[1:] != ("", "")]


def _words(name: str, value: float | int | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "memory" and not isinstance(value, str):
        return f"{value / 2**30:.1f} GiB"
    if name == "seconds_per_step" and isinstance(value, float) and value >= 60:
        return duration(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
