"""What the screen Train asks of a run: pictures, a checkpoint, its end, and to go on."""

from typing import TYPE_CHECKING

from curation.text import visible
from engine.errors import EngineError
from engine.extras import require
from engine.rundir import Request
from loratui.jobs import Job
from loratui.runs.asked import Asked, ask
from loratui.runs.changes import Changes, changes_since
from loratui.runs.monitor import Monitor
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.page import PageScreen
from loratui.screens.step import StepScreen

if TYPE_CHECKING:
    from engine.start import Resumption


class Asking(StepScreen):
    """The actions that a run answers, or not. The screen beneath shows the run and what became of them."""

    def on_mount(self) -> None:
        self._asked: list[Asked] = []  # and not answered yet

    def _draw_note(self, monitor: Monitor) -> None:
        """Say what was asked for."""
        raise NotImplementedError

    def _look(self) -> None:
        """See in the background what is new."""
        raise NotImplementedError

    def action_ask(self, what: Request) -> None:
        """Ask the run for a sample or a checkpoint; what came of it is said."""
        monitor = self.project.monitor
        if monitor is None:
            return
        if what == "sample" and not monitor.makes_samples:
            self.tell(EngineError("This run makes no sample pictures.", "Its num_validation_images is 0."))
        elif monitor.step >= monitor.total_steps > 0 or monitor.phase in ("exporting", "verifying"):
            self.tell(EngineError("The run takes no more steps.", "Its last one has its pictures and its checkpoint."))
        else:
            self._ask(monitor, what)

    def _ask(self, monitor: Monitor, what: Request) -> None:
        if any(asked.what == what for asked in self._asked):
            return
        try:
            self._asked.append(ask(monitor, what))
        except OSError as error:
            self.tell(EngineError(f"The run cannot be asked: {error.strerror}.", f"See to {monitor.run.control}."))
        self._draw_note(monitor)

    def action_pause(self) -> None:
        """Ask the run to write a checkpoint and end, to go on later."""
        if self.project.monitor:
            self._ask(self.project.monitor, "pause")

    def action_stop(self) -> None:
        """Ask the run to end, once the user has confirmed."""
        monitor = self.project.monitor
        if monitor is None:
            return
        at = f"at step {monitor.step} of {monitor.total_steps}" if monitor.total_steps else "before its first step"
        question = (
            f"Stop the run {monitor.name} {at}?\n\n"
            "Nothing is lost: it finishes its step, writes a checkpoint, exports what it has learned, and keeps its "
            f"pictures.\n`loratui resume {monitor.run.address}`, or p here, goes on later."
        )
        self.app.push_screen(
            ConfirmScreen(question, "Stop the run"), lambda yes: self._ask(monitor, "stop") if yes else None
        )

    def action_continue(self) -> None:
        """See what has changed since the checkpoint, and go on from it."""
        monitor = self.project.monitor
        if monitor is None:
            return
        run = monitor.run

        def prepare(job: Job) -> "tuple[Resumption, Changes]":
            from engine.start import prepare_resumption  # 90 ms, with numpy

            require("train", "loratui resume")
            resumption = prepare_resumption(run, {})
            return resumption, changes_since(run, resumption)

        self.start_job(f"Comparing {monitor.name} with its checkpoint", prepare, lambda it: self._agree(monitor, *it))

    def _agree(self, monitor: Monitor, resumption: "Resumption", changes: Changes) -> None:
        for note in changes.notes:
            self.notify(visible(note), severity="warning", timeout=10, markup=False)
        if changes.refusal:
            self.tell(changes.refusal)
        elif changes.question:
            self.app.push_screen(
                PageScreen(f"Go on with {monitor.name}", changes.page, "Go on"),
                lambda yes: self._go_on(monitor, resumption) if yes else None,
            )
        else:
            self._go_on(monitor, resumption)

    def _go_on(self, monitor: Monitor, resumption: "Resumption") -> None:
        def launch(job: Job) -> None:
            from engine.start import resume_run

            resume_run(monitor.run, resumption)

        self.start_job(f"Starting the worker of {monitor.name}", launch, lambda _: self._look())
