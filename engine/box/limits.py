"""How long a run may work and what it may cost: counted over all its workers, and a stop when it is reached."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import ConfigError, EngineError
from engine.events import Event, Progress, Skipped, Step, Warned
from engine.rundir import RunDir
from engine.settings import RunSection

HOUR = 3600.0


@dataclass(frozen=True)
class Reached:
    """A limit that a run has reached. said: what the run did, to follow its name."""

    setting: str
    limit: float
    said: str


class Limits:
    """A listener that asks `run` to stop once it has worked, or cost, as much as it may.

    tell: takes the warning that says so.  clock: seconds, never set back.
    """

    def __init__(
        self, run: RunDir, settings: RunSection, tell: Callable[[Event], None], clock: Callable[[], float]
    ) -> None:
        self._run, self._settings, self._tell, self._clock = run, settings, tell, clock
        self._began = clock() - run.status().worked
        self._has_asked = False

    def __call__(self, event: Event) -> None:
        """Ask after what is followed by a look at the requests, except after the last step, which ends the run."""
        if self._has_asked or not isinstance(event, Progress | Step | Skipped):
            return
        if not isinstance(event, Progress) and event.step == self._settings.max_train_steps:
            return
        reached = reached_limit(self._settings, self._clock() - self._began)
        if reached is None:
            return
        try:
            self._run.request("stop")
        except OSError:  # a full disk: it is tried again after the next step
            return
        self._has_asked = True
        self._tell(Warned(message=f"The run {reached.said}: it stops, with a checkpoint and an export."))


def limits_of(run: RunDir, settings: RunSection, tell: Callable[[Event], None]) -> list[Limits]:
    """The listener, where there is a limit."""
    is_limited = settings.max_hours is not None or settings.max_cost is not None
    return [Limits(run, settings, tell, time.monotonic)] if is_limited else []


def cost(settings: RunSection, worked: float) -> float | None:
    """What so many seconds of work cost; None without a price."""
    return None if settings.price_per_hour is None else worked / HOUR * settings.price_per_hour


def reached_limit(settings: RunSection, worked: float) -> Reached | None:
    """The limit that so many seconds of work have reached, if any."""
    hours, paid = worked / HOUR, cost(settings, worked)
    if settings.max_hours is not None and hours >= settings.max_hours:
        said = f"has worked for {hours:.3g} hours, and max_hours is {settings.max_hours:g}"
        return Reached("max_hours", settings.max_hours, said)
    if settings.max_cost is not None and paid is not None and paid >= settings.max_cost:
        said = f"has cost {paid:.3g}, and max_cost is {settings.max_cost:g}"
        return Reached("max_cost", settings.max_cost, said)
    return None


def limit_problem(run: RunDir) -> EngineError | None:
    """Why a worker would stop `run` as soon as it is at it: earlier ones have reached a limit."""
    try:
        settings = run.config().run
    except ConfigError:  # the worker says so
        return None
    reached = reached_limit(settings, run.status().worked)
    if reached is None:
        return None
    return EngineError(
        f"The run {run.name} {reached.said}, so it would stop at once.",
        f"Raise it, e.g.: loratui resume {run.address} --set run.{reached.setting}={2 * reached.limit:g}",
    )
