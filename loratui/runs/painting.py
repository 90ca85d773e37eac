"""Painting as a job of a screen: the painter of the run on view, and what it tells put into the job's words."""

from collections.abc import Callable
from pathlib import Path

from curation.text import visible
from engine.painting.messages import Loading, Previewed, Told
from engine.painting.painter import Painter
from engine.painting.request import Request
from engine.rundir import RunDir
from loratui.jobs import Job


class Easel:
    """Holds one painter, for a second model would not fit beside it."""

    def __init__(self) -> None:
        self._painter: Painter | None = None

    def work(
        self, run: RunDir, request: Request, previewed: Callable[[Previewed], object]
    ) -> Callable[[Job], Path | None]:
        """The work of painting a picture with a run; previewed: called from its thread at each step.

        It returns the picture's path, None when it was given up, and raises EngineError.
        """
        before = self._painter
        painter = self._painter = before if before and before.run.path == run.path else Painter(run)

        def work(job: Job) -> Path | None:
            def heard(told: Told) -> None:
                if isinstance(told, Loading):
                    job.turn_to(f"Loading the model of {visible(run.name)}")
                elif isinstance(told, Previewed):
                    if told.done == 1:
                        job.turn_to("Painting")
                    job.done, job.total = told.done, told.total
                    previewed(told)

            if before and before is not painter:
                before.close()
            return painter.paint(request, lambda: not job.is_cancelled, heard)

        return work

    def close(self) -> None:
        """End the painter's process."""
        if self._painter:
            self._painter.close()
