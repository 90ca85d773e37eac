"""What works in the background of a screen: its label, how far it is, how long it will take, and how to end it."""

from rich.text import Text
from textual.widget import Widget

from curation.text import duration
from loratui.jobs import Job
from loratui.terminal.glyphs import glyphs

REFRESH_SECONDS = 0.5
BAR_WIDTH = 20


class JobBar(Widget):
    """One line, there while a job runs that takes longer than a moment.

    It repaints itself only when what it says has changed; as it moves the screen, it does not come up for a moment.
    """

    DEFAULT_CSS = "JobBar { height: 1; display: none; color: $text-accent; padding: 0 1; }"

    def __init__(self) -> None:
        super().__init__()
        self._jobs: list[Job] = []
        self._said = ""

    def on_mount(self) -> None:
        self._timer = self.set_interval(REFRESH_SECONDS, self._look, pause=True)

    def show(self, jobs: list[Job]) -> None:
        """Show the newest of these jobs, and how many others there are; nothing without one."""
        self._jobs = jobs
        if jobs:
            self._timer.resume()
        else:
            self._timer.pause()
        if self.display or not jobs:
            self._look()

    def _look(self) -> None:
        self.display = bool(self._jobs)
        said = self._words()
        if said != self._said:
            self._said = said
            self.refresh()

    def _words(self) -> str:
        if not self._jobs:
            return ""
        job = self._jobs[-1]
        others = f" (+{len(self._jobs) - 1})" if len(self._jobs) > 1 else ""
        if job.is_cancelled:
            return f"{job.label}: ending ...{others}"
        if not job.total:
            return f"{job.label} ...{others}  esc cancels"
        full = BAR_WIDTH * job.done // job.total
        left = "" if job.eta_seconds is None else f"  {duration(job.eta_seconds)} left"
        bar = glyphs().bar_full * full + glyphs().bar_rest * (BAR_WIDTH - full)
        return f"{job.label} {bar} {job.done}/{job.total}{left}{others}  esc cancels"

    def render(self) -> Text:
        return Text(self._said, no_wrap=True, overflow="ellipsis", end="")
