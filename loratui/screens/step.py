"""What the screens of the road have in common: the strip on top, the footer, and how they speak of trouble."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from curation.errors import StatedError
from loratui.jobs import Cancelled, Job, run_in_background
from loratui.widgets.job_bar import JobBar
from loratui.widgets.key_footer import KeyFooter
from loratui.widgets.step_strip import StepStrip
from loratui.widgets.text_fields import takes_text

if TYPE_CHECKING:
    from loratui.app import LoratuiApp
    from loratui.project import Project


class StepScreen(Screen[None]):
    """A step of the road. Subclasses give `mode`, compose their body and draw what the project holds."""

    mode: str
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "leave_field", "Leave field", id="step.leave_field", tooltip="So that keys act; tab does it too"
        ),
        Binding("escape", "cancel_job", "Cancel", id="step.cancel_job", tooltip="End what works in the background"),
    ]

    class JobEnded(Message, bubble=False):
        """A job's thread is done.  take: what to do with the result.  error: what its work raised, if anything."""

        def __init__(self, job: Job, take: Callable[[Any], None], result: Any, error: BaseException | None) -> None:
            super().__init__()
            self.job, self.take, self.result, self.error = job, take, result, error

    def __init_subclass__(cls, **options: Any) -> None:
        """Textual lets a class's key replace its base's; here both act, the base's first where it is possible."""
        if "BINDINGS" in vars(cls):
            cls.BINDINGS = list(dict.fromkeys([*StepScreen.BINDINGS, *cls.BINDINGS]))
        super().__init_subclass__(**options)

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    @property
    def project(self) -> "Project":
        """What the screens share."""
        return self._loratui.project

    def _compositor_refresh(self) -> None:
        """While the app holds drawing back Textual draws all the same, throws it away, and forgets what is to be drawn:
        without this the first paint would be a part of the screen, and the rest a frame later."""
        if not self.app._batch_count:
            super()._compositor_refresh()

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        """Measure widgets that still wait for their turn anew at the next layout: Textual would keep what a widget
        measured between two changes."""
        super()._refresh_layout(size, scroll)
        for widget in self.walk_children(Widget):
            if widget._layout_required:
                widget._layout_updates += 1

    def compose(self) -> ComposeResult:
        yield StepStrip(self.mode)
        yield from self.compose_body()
        yield JobBar()
        yield KeyFooter()

    def compose_body(self) -> Iterator:
        """The widgets between strip and footer."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show what the project holds now; called whenever the screen comes up."""

    def note_edit(self) -> None:
        """Hand over to the project what stands in a field; called before the program ends, for whatever reason."""

    def on_screen_resume(self) -> None:
        self.draw_standings()
        self.draw()

    def draw_standings(self) -> None:
        """Bring the strip up to date."""
        self.query_one(StepStrip).show(self._loratui.standings())

    def tell(self, error: StatedError) -> None:
        """Say what is wrong and what to do about it."""
        self._loratui.tell(error)

    @property
    def _loratui(self) -> "LoratuiApp":
        return cast("LoratuiApp", self.app)

    def when_drawn(self, callback: Callable[[], object]) -> None:
        """Call this when all that is to be shown now has been drawn.

        At the start Textual draws nothing before the app itself has its turn, so that is waited for first.
        """
        self.app.call_later(self.call_after_refresh, callback)

    def start_job(self, label: str, work: Callable[[Job], Any], take: Callable[[Any], None]) -> Job:
        """Do `work` in the background, shown with its progress; esc ends it.

        work: runs in a thread, touches no widget, reports to the job it is given, and returns a result or raises
        StatedError.  take: called with the result, in the screen's own turn; not called for a job that was cancelled.
        """
        job = Job(label)
        self.jobs.append(job)
        self._draw_jobs()
        run_in_background(work, job, lambda result, error: self.post_message(self.JobEnded(job, take, result, error)))
        return job

    def on_step_screen_job_ended(self, message: JobEnded) -> None:
        self.jobs.remove(message.job)
        self._draw_jobs()
        if message.job.is_cancelled or isinstance(message.error, Cancelled):
            return
        if message.error is None:
            message.take(message.result)
        elif isinstance(message.error, StatedError):
            self.tell(message.error)
        else:
            self._loratui.tell_unexpected(message.error)

    def action_cancel_job(self) -> None:
        """End the newest job that is not ending yet."""
        job = next((job for job in reversed(self.jobs) if not job.is_cancelled), None)
        if job:
            job.cancel()
            self._draw_jobs()

    def _draw_jobs(self) -> None:
        self.query_one(JobBar).show(self.jobs)
        self.refresh_bindings()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error:
            self._loratui.tell_unexpected(event.worker.error)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leaving a field is offered in a field only, and cancelling where there is no field to leave."""
        in_field = takes_text(self.focused)
        if action == "cancel_job":
            return not in_field and any(not job.is_cancelled for job in self.jobs)
        return action != "leave_field" or in_field

    def action_leave_field(self) -> None:
        self.set_focus(None)
