"""What the screen Results has painted: one picture after another, by a process that keeps the model."""

from pathlib import Path

from textual.message import Message
from textual.widgets import Input

from curation.errors import StatedError
from curation.text import visible
from engine.launcher import is_worked_on
from engine.painting.messages import Previewed
from engine.rundir import list_runs
from loratui.jobs import Job
from loratui.runs.monitor import Monitor
from loratui.runs.painting import Easel
from loratui.screens.results_generate import GeneratePane
from loratui.screens.step import StepScreen


class Painting(StepScreen):
    """The actions of the view Generate. The screen beneath chooses the run and the view."""

    class PreviewCame(Message, bubble=False):
        """The picture that is being painted has come a step further."""

        def __init__(self, told: Previewed) -> None:
            super().__init__()
            self.told = told

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Painting.PreviewCame)

    def on_mount(self) -> None:
        self._shown: Monitor | None = None
        self._easel = Easel()
        self._painting: Job | None = None

    def on_unmount(self) -> None:
        self._easel.close()

    def on_screen_suspend(self) -> None:
        if self.app.current_mode != self.mode and self._painting not in self.jobs:
            self._easel.close()  # another screen may start a run, which wants the GPU

    @property
    def _current(self) -> str | None:
        """The view that is shown."""
        raise NotImplementedError

    @property
    def _generate(self) -> GeneratePane:
        return self.query_one(GeneratePane)

    def _why_not_now(self) -> str:
        """Why a second model beside a run that trains may not fit; empty when none does."""
        training = [run.name for run in list_runs(self.project.runs_dir) if is_worked_on(run)]
        return f"{training[0]} is training: a second model beside it needs room on the GPU." if training else ""

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._current == "generate":
            event.stop()
            self.action_paint()

    def action_paint(self) -> None:
        """Have a picture painted, in a process that keeps the model for the next one."""
        if self._shown is None:
            return
        if self._painting in self.jobs:
            self.notify("A picture is being painted; esc gives it up.")
            return
        try:
            request = self._generate.request
        except StatedError as error:
            self.tell(error)
            return
        work = self._easel.work(self._shown.run, request, lambda told: self.post_message(self.PreviewCame(told)))
        self._painting = self.start_job("Starting to paint", work, self._take_painted)

    def on_painting_preview_came(self, message: PreviewCame) -> None:
        told = message.told
        if self._painting in self.jobs:
            self._generate.preview(Path(told.path), told.done, told.total)

    def on_step_screen_job_ended(self, message: StepScreen.JobEnded) -> None:
        """Before anything is taken from it: a picture that was given up, or failed, is not being painted any more."""
        if message.job is self._painting:
            self._generate.end_preview()

    def _take_painted(self, path: Path | None) -> None:
        self._generate.draw_pictures(newest=True)
        self.refresh_bindings()
        if path:
            self.notify(visible(f"Painted {path}"), markup=False)

    def action_next_seed(self) -> None:
        """Go on to the seed after this one."""
        self._generate.next_seed()

    def action_draw_seed(self) -> None:
        """Draw a seed at random."""
        self._generate.draw_seed()

    def action_take_settings(self) -> None:
        """Write the settings of the picture under the cursor into the form."""
        if self._generate.chosen:
            self._generate.fill(self._generate.chosen)
