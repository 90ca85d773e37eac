"""What a viewer asked a run for, until it took effect."""

from dataclasses import dataclass

from engine.rundir import Request
from loratui.runs.monitor import Monitor

DOING: dict[Request, str] = {
    "sample": "sample pictures are being made",
    "checkpoint": "the checkpoint is being written",
    "pause": "it writes a checkpoint, then pauses",
    "stop": "it writes a checkpoint and exports, then ends",
}
THINGS: dict[Request, str] = {
    "sample": "sample pictures",
    "checkpoint": "a checkpoint",
    "pause": "a pause",
    "stop": "an end",
}


@dataclass(frozen=True)
class Asked:
    """before: the step of the newest such thing when it was asked for.  warnings: how many there were."""

    what: Request
    before: int
    warnings: int

    def outcome(self, monitor: Monitor) -> str | None:
        """What came of it; None as long as it is awaited."""
        newest = _newest(self.what, monitor)
        if newest > self.before:
            return f"{THINGS[self.what].capitalize()} of step {newest}: done."
        if not monitor.active:
            if self.what in ("pause", "stop"):
                return f"The run has ended: {monitor.state}."
            return f"The run ended before it made {THINGS[self.what]}."
        if self._is_heard(monitor) and monitor.warning_count > self.warnings and monitor.phase == "training":
            return f"It did not make {THINGS[self.what]}: see the warnings."
        return None

    def words(self, monitor: Monitor) -> str:
        """How it stands, for as long as it is awaited."""
        asked = f"Asked for {THINGS[self.what]}"
        if self._is_heard(monitor):
            return f"{asked}: {DOING[self.what]}."
        if monitor.phase == "training":
            return f"{asked}: the run hears it after this step."
        now = monitor.phase.replace("_", " ") or "starting"
        return f"{asked}: the run hears it after its next step; now it is {now}."

    def _is_heard(self, monitor: Monitor) -> bool:
        return not monitor.run.is_requested(self.what)


def ask(monitor: Monitor, what: Request) -> Asked:
    """Ask the run of `monitor` for something. Raises OSError where its folder cannot be written to."""
    asked = Asked(what, _newest(what, monitor), monitor.warning_count)
    monitor.run.request(what)
    return asked


def _newest(what: Request, monitor: Monitor) -> int:
    """The step of the newest thing of this kind; 0 without one, and for ends."""
    if what == "sample":
        return max(list(monitor.sample_sets), default=0)
    return monitor.checkpoint_step if what == "checkpoint" else 0
