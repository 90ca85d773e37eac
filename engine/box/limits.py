"""How long a run may work and what it may cost: counted over all its workers, and a stop when it is reached."""

import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import ConfigError, EngineError
from engine.events import Event, Phase, Step
from engine.rundir import ENDING_STATES, RunDir
from engine.settings import RunSection

HOUR = 3600.0
RETRY_SECONDS = 10.0  # where a full disk has no room for a request


@dataclass(frozen=True)
class Limit:
    """A setting that ends a run after so many seconds of work."""

    setting: str
    value: float
    seconds: float

    def __str__(self) -> str:
        did = "cost" if self.setting == "max_cost" else "worked for"
        unit = "" if self.setting == "max_cost" else " hours"
        return f"has {did} {self.value:g}{unit}, which is its {self.setting}"


def limit_of(settings: RunSection) -> Limit | None:
    """The limit that is reached first; None without any."""
    limits: list[Limit] = []
    if settings.max_hours is not None:
        limits.append(Limit("max_hours", settings.max_hours, settings.max_hours * HOUR))
    if settings.max_cost is not None and settings.price_per_hour is not None:
        hours = settings.max_cost / settings.price_per_hour
        limits.append(Limit("max_cost", settings.max_cost, hours * HOUR))
    return min(limits, key=lambda limit: limit.seconds, default=None)


def cost_so_far(run: RunDir) -> float | None:
    """What the work at `run` has cost; None without a price, or where the config cannot be read."""
    try:
        config = tomllib.loads(run.config_file.read_text("utf-8"))  # 1 ms; all of it, checked, takes 20
        return run.status().worked / HOUR * config["run"]["price_per_hour"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def limit_problem(run: RunDir) -> EngineError | None:
    """Why a worker would stop `run` as soon as it is at it: earlier ones have reached its limit."""
    try:
        limit = limit_of(run.config().run)
    except ConfigError:  # the worker says so
        return None
    if limit is None or run.status().worked < limit.seconds:
        return None
    return EngineError(
        f"The run {run.name} {limit}, so it would stop at once.",
        f"Raise it, e.g.: loratui resume {run.address} --set run.{limit.setting}={2 * limit.value:g}",
    )


class Watch:
    """A listener that asks `run` to stop when its limit is reached, in whatever phase it is, as long as that helps.

    warn: takes the sentence that says so.
    """

    def __init__(self, run: RunDir, limit: Limit, last_step: int | None, warn: Callable[[str], None]) -> None:
        self._run, self._limit, self._last_step, self._warn = run, limit, last_step, warn
        self._ends_anyway = threading.Event()
        threading.Thread(target=self._ask_in_time, name="limits", daemon=True).start()

    def __call__(self, event: Event) -> None:
        """Let go when the last step is done, or what follows it has begun."""
        is_last = isinstance(event, Step) and event.step == self._last_step
        is_after = isinstance(event, Phase) and event.phase in ("exporting", "verifying")
        if is_last or is_after or type(event) in ENDING_STATES:
            self._ends_anyway.set()

    def _ask_in_time(self) -> None:
        seconds = self._limit.seconds - self._run.status().worked
        while not self._ends_anyway.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX)):
            try:
                self._run.request("stop")
            except OSError:
                seconds = RETRY_SECONDS
                continue
            self._warn(f"The run {self._limit}: it stops, with a checkpoint and an export.")
            return
