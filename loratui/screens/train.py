"""Train: a run as it goes, what can be asked of it, and the runs there are."""

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import ContentSwitcher

from curation.text import visible
from engine.cleanup import removable, remove_run
from engine.errors import EngineError
from engine.sizes import gigabytes
from loratui.jobs import Job, run_in_background
from loratui.runs.monitor import Monitor
from loratui.runs.overview import Overview
from loratui.screens.asking import Asking
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.large_picture import LargePicture, Shown
from loratui.screens.page import PageScreen
from loratui.terminal.glyphs import glyphs
from loratui.widgets.gallery import Gallery
from loratui.widgets.row_list import RowList
from loratui.widgets.run_view import RunView, Window, sentences
from loratui.widgets.runs_list import RunsList
from loratui.widgets.samples_panel import comparable_sets

PACES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between two looks
CAN_CONTINUE = ("paused", "stopped", "failed", "died")


class TrainScreen(Asking):
    """The fifth step, a viewer: it follows the run's folder, and closing it changes nothing."""

    mode = "train"
    CSS_PATH = "train.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "ask('sample')", "Sample", id="train.sample", tooltip="Have sample pictures made after this step"),
        Binding("c", "ask('checkpoint')", "Checkpoint", id="train.checkpoint", tooltip="Have a checkpoint written now"),
        Binding("p", "pause", "Pause", id="train.pause", tooltip="A checkpoint, then the GPU is free; p goes on"),
        Binding("p", "continue", "Continue", id="train.continue", tooltip="Go on from the newest whole checkpoint"),
        Binding("X", "stop", "Stop", id="train.stop", tooltip="End it, with a checkpoint and an export; asks first"),
        Binding("r", "runs", "Runs", id="train.runs", tooltip="All runs; enter attaches to one"),
        Binding("r", "back", "Back", id="train.back", tooltip="From the runs back to the one on view"),
        Binding("escape", "step_out", "Step out", show=False, id="train.step_out", tooltip="End a job, or full size"),
        Binding("D", "remove", "Remove", id="train.remove", tooltip="Delete the run and all that it holds; asks first"),
        Binding("f", "full", "Full size", show=False, id="train.full", tooltip="The panel fills the screen, or not"),
        Binding("tab", "panel(1)", "Next panel", show=False, id="train.next_panel", tooltip="The next panel"),
        Binding(
            "shift+tab", "panel(-1)", "Last panel", show=False, id="train.panel_before", tooltip="The panel before"
        ),
        Binding("a", "log_axis", "Log scale", show=False, id="train.log_axis", tooltip="Logarithmic y axes, or not"),
        Binding(
            "m", "smooth", "Smoothing", show=False, id="train.smooth", tooltip="Mean of 10, 50, 200 steps, or none"
        ),
        Binding("z", "nearer", "Zoom in", show=False, id="train.nearer", tooltip="Half as many steps in the plots"),
        Binding("Z", "farther", "Zoom out", show=False, id="train.farther", tooltip="Twice as many steps in the plots"),
        Binding("left,h", "earlier(1)", "Earlier", show=False, id="train.earlier", tooltip="Earlier steps, if zoomed"),
        Binding("right,l", "earlier(-1)", "Later", show=False, id="train.later", tooltip="Later steps, if zoomed"),
        Binding("e", "whole", "Whole run", show=False, id="train.whole", tooltip="Plots of every step, as at first"),
        Binding("w", "warnings", "Warnings", show=False, id="train.warnings", tooltip="What it warned of, whole"),
        Binding("y", "copy", "Copy", show=False, id="train.copy", tooltip="Copy the command that shows this run"),
        Binding("plus,equals_sign", "pace(-1)", "Faster", show=False, id="train.faster", tooltip="Look more often"),
        Binding("minus", "pace(1)", "Slower", show=False, id="train.slower", tooltip="Look less often"),
    ]

    class Refreshed(Message, bubble=False):
        """The monitor was brought up to date, in a thread. has_news: whether anything happened."""

        def __init__(self, monitor: Monitor, has_news: bool) -> None:
            super().__init__()
            self.monitor, self.has_news = monitor, has_news

    def compose_body(self) -> Iterator:
        with ContentSwitcher(initial="runs"):
            yield RunsList(self.project.runs_dir, id="runs")
            yield RunView(id="run")

    def on_mount(self) -> None:
        self._shown: Monitor | None = None
        self._is_looking = False
        self._drawn_state = ""
        self._pace = self._loratui.preferences.ui.refresh_seconds
        self._timer = self.set_interval(self._pace, self._look, pause=True)

    def on_screen_suspend(self) -> None:
        self._timer.pause()
        self._runs.watch_runs(False)

    def draw(self) -> None:
        monitor = self.project.monitor
        if monitor and monitor is not self._shown:
            self._follow(monitor)
        elif monitor and self._run_is_shown:
            self._draw_run(monitor)  # another screen may have looked at it, too
            self._timer.resume()
            self._look()
        else:
            self.action_runs()

    @property
    def _run_is_shown(self) -> bool:
        return self.is_mounted and self.query_one(ContentSwitcher).current == "run"

    @property
    def _runs(self) -> RunsList:
        return self.query_one(RunsList)

    @property
    def _view(self) -> RunView:
        return self.query_one(RunView)

    # The runs there are

    def action_runs(self) -> None:
        """Show the list of runs."""
        self._timer.pause()
        self.query_one(ContentSwitcher).current = "runs"
        self._runs.watch_runs(True)
        self._runs.focus_list(self.project.monitor.run if self.project.monitor else None)
        self.refresh_bindings()

    def action_back(self) -> None:
        """Show the run on view again."""
        if self.project.monitor:
            self._show_view()

    def action_step_out(self) -> None:
        """End what works in the background; else go from one panel to all of them, or from the runs to the run."""
        if any(not job.is_cancelled for job in self.jobs):
            self.action_cancel_job()
        elif not self._run_is_shown:
            self.action_back()
        elif self._view.is_full:
            self._view.toggle_full()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        if chosen := self._runs.chosen:
            self._follow(self.project.watch(chosen.run))

    def action_remove(self) -> None:
        """Delete the run under the cursor, once the user has confirmed."""
        chosen = self._runs.chosen
        if chosen is None:
            return
        try:
            removable(chosen.run)
        except EngineError as error:
            self.tell(error)
            return
        question = (
            f"Delete the run {visible(chosen.run.name)}, {chosen.status.state} at step {chosen.status.step}, and all "
            f"that it holds?\n{visible(str(chosen.run.path))}\n\n"
            f"Checkpoints, pictures and files go, {gigabytes(chosen.disk)}; there is no undo."
        )
        self.app.push_screen(ConfirmScreen(question, "Delete"), lambda yes: self._remove(chosen) if yes else None)

    def _remove(self, chosen: Overview) -> None:
        def removed(_: None) -> None:
            if self.project.monitor and self.project.monitor.run.path == chosen.run.path:
                self.project.monitor = self._shown = None
                self.draw_standings()
            self._runs.look()

        name = visible(chosen.run.name)
        self.start_job(f"Deleting {name}", lambda job: remove_run(chosen.run), removed)

    # One run

    def _follow(self, monitor: Monitor) -> None:
        """Read what happened so far, which for a long run without a summary takes a second, then follow it."""
        self._asked = []
        self._shown = monitor
        self._view.show(monitor)
        self._show_view()
        self.draw_standings()

        def read(job: Job) -> bool:
            return monitor.refresh(lambda done, total: job.progress(done >> 20, total >> 20))

        def draw(_: bool) -> None:
            if monitor is self._shown:
                self._draw_run(monitor)

        self.start_job(f"Reading {monitor.name}, MB", read, draw)

    def _show_view(self) -> None:
        self._runs.watch_runs(False)
        self.query_one(ContentSwitcher).current = "run"
        self._timer.resume()
        self._view.turn_to(self._view.panel)
        self.refresh_bindings()

    def _look(self) -> None:
        """See in the background what is new, one look at a time."""
        monitor = self._shown
        if monitor is None or self._is_looking:
            return
        self._is_looking = True

        def take(has_news: bool | None, error: BaseException | None) -> None:
            self.post_message(self.Refreshed(monitor, bool(has_news)))

        run_in_background(lambda job: monitor.refresh(), Job("Looking"), take)

    def on_train_screen_refreshed(self, message: Refreshed) -> None:
        self._is_looking = False
        if message.monitor is self._shown:
            if message.has_news:
                self._draw_run(message.monitor)
            else:
                self._draw_note(message.monitor)

    def _draw_run(self, monitor: Monitor) -> None:
        self._view.draw()
        self._draw_note(monitor)
        self.draw_standings()
        if monitor.state != self._drawn_state:
            self._drawn_state = monitor.state
            self.refresh_bindings()

    def _draw_note(self, monitor: Monitor) -> None:
        """What was asked for, until it is there, and what the run's state means."""
        for asked in list(self._asked):
            if outcome := asked.outcome(monitor):
                self._asked.remove(asked)
                self.notify(outcome, markup=False)
        self._view.say("\n".join([*(asked.words(monitor) for asked in self._asked), *sentences(monitor)]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        monitor = self.project.monitor
        if action in ("runs", "back", "remove"):
            return self._can_go(action)
        if action in ("ask", "pause", "stop"):
            return bool(monitor and monitor.active and self._run_is_shown)
        if action == "continue":
            return bool(monitor and monitor.state in CAN_CONTINUE and self._run_is_shown)
        if action == "warnings":
            return bool(monitor and monitor.warning_count and self._run_is_shown)
        if action in ("full", "panel", "log_axis", "smooth", "nearer", "farther", "earlier", "whole", "pace", "copy"):
            return self._run_is_shown
        return super().check_action(action, parameters)

    def _can_go(self, action: str) -> bool:
        """Whether there is a way between run and runs, and a run to delete."""
        if self._run_is_shown:
            return action == "runs"
        if action == "back":
            return self.project.monitor is not None
        return action == "remove" and self.is_mounted and self._runs.chosen is not None

    # How it is looked at

    def on_gallery_chosen(self, event: Gallery.Chosen) -> None:
        step, _, place = event.key.partition(":")
        steps, rows = large_rows(self._shown) if self._shown else ([], [])
        if int(step) in steps and int(place) < len(rows):
            self.app.push_screen(LargePicture(rows, int(place), steps.index(int(step))))

    def action_warnings(self) -> None:
        if self._shown:
            page = "\n\n".join(f"{glyphs().attention} {warning}" for warning in reversed(list(self._shown.warnings)))
            self.app.push_screen(PageScreen(f"Warnings: {self._shown.warning_count}", Text(page)))

    def action_full(self) -> None:
        self._view.toggle_full()

    def action_panel(self, by: int) -> None:
        self._view.turn(by)

    def action_log_axis(self) -> None:
        self._view.toggle_log()

    def action_smooth(self) -> None:
        self._view.smooth()

    def action_nearer(self) -> None:
        self._view.look_at(self._view.window.narrower())

    def action_farther(self) -> None:
        self._view.look_at(self._view.window.wider())

    def action_earlier(self, by: int) -> None:
        self._view.earlier(by)

    def action_whole(self) -> None:
        self._view.look_at(Window())

    def action_copy(self) -> None:
        """Copy the command that shows this run on the command line."""
        if self._shown:
            self.app.copy_to_clipboard(f"loratui attach {self._shown.run.address}")

    def action_pace(self, by: int) -> None:
        """Look more often, or less."""
        at = min(range(len(PACES)), key=lambda number: abs(PACES[number] - self._pace))
        self._pace = PACES[min(max(at + by, 0), len(PACES) - 1)]
        self._timer.stop()
        self._timer = self.set_interval(self._pace, self._look)
        self.notify(f"Every {self._pace:g} s.", title="Looking for news", timeout=2, markup=False)


def large_rows(monitor: Monitor) -> tuple[list[int], list[list[Shown]]]:
    """The steps that can be compared, and for each prompt its picture at each of them."""
    steps, count = comparable_sets(monitor)
    rows = [
        [
            Shown(path, f"Step {step}, {at} of {len(steps)}", monitor.prompts.get(path, ""))
            for at, step in enumerate(steps, start=1)
            for path in [monitor.sample_sets[step][place]]
        ]
        for place in range(count)
    ]
    return steps, rows
