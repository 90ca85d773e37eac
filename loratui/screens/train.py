"""Train: a run as it goes, or the runs there are."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, RichLog, Static

from curation.text import visible
from engine.launcher import is_active
from engine.rundir import RunDir, list_runs
from loratui.glyphs import glyphs
from loratui.live import duration
from loratui.monitor import Monitor
from loratui.project import RUN_SIGNS
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.step import StepScreen
from loratui.widgets.plot import Plot
from loratui.widgets.quiet_bar import QuietBar
from loratui.widgets.quiet_table import QuietTable

REFRESH_SECONDS = 1.0


class TrainScreen(StepScreen):
    """The fifth step, a viewer: it follows the run's folder once a second, and closing it changes nothing."""

    mode = "train"
    CSS_PATH = "train.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("X", "stop", "Stop", tooltip="End the run after this step, with a checkpoint and an export"),
        Binding("r", "runs", "Runs", tooltip="All runs; enter attaches to one"),
    ]

    def compose_body(self) -> Iterator:
        with ContentSwitcher(initial="runs"):
            yield QuietTable(("Run", "State", "Step", "Loss", "Updated"), id="runs")
            with Vertical(id="run"):
                with Vertical(classes="panel", id="progress"):
                    with Horizontal(id="phase-line"):
                        yield Static(id="phase", markup=False)
                        yield QuietBar()
                    yield Static(id="numbers", markup=False)
                with Horizontal(id="plots"):
                    with Vertical(classes="panel", id="loss"):
                        yield Plot("loss-plot")
                    with Vertical(classes="panel", id="rate"):
                        yield Plot("rate-plot")
                yield RichLog(id="log", classes="panel", markup=False, wrap=True, max_lines=500)
                yield Static(id="files", classes="hint", markup=False)

    def on_mount(self) -> None:
        self._logged = 0
        self._drawn: Monitor | None = None
        self._drawn_state = ""
        titles = {"runs": "Runs", "loss": "Loss, line: smoothed", "log": "Log"}
        for id, title in titles.items():
            self.query_one(f"#{id}").border_title = title
        self.query_one("#runs").add_class("panel")
        self.query_one("#log").can_focus = True
        self._timer = self.set_interval(REFRESH_SECONDS, self._poll, pause=True)

    def on_screen_suspend(self) -> None:
        self._timer.pause()

    def draw(self) -> None:
        self._timer.resume()
        if self.project.monitor:
            self._show_run(self.project.monitor)
        else:
            self.action_runs()

    def _poll(self) -> None:
        monitor = self.project.monitor
        if not self._run_is_shown:
            self._draw_runs()
        elif monitor and monitor.refresh():
            self._draw_run(monitor)
            self.draw_standings()

    @property
    def _run_is_shown(self) -> bool:
        return self.is_mounted and self.query_one(ContentSwitcher).current == "run"

    # The runs there are

    def action_runs(self) -> None:
        """Show the list of runs."""
        self.query_one(ContentSwitcher).current = "runs"
        self._draw_runs()
        self.query_one("#runs").focus()
        self.refresh_bindings()

    def _draw_runs(self) -> None:
        table = self.query_one("#runs", QuietTable)
        runs = {run.name: _run_cells(run) for run in list_runs(self.project.runs_dir)}
        if list(runs) == [str(key.value) for key in table.rows]:
            for name, cells in runs.items():
                for column, cell in zip(table.columns, cells, strict=True):
                    table.show_cell(name, str(column.value), cell)
        else:
            table.show_rows(runs.items())
        where = visible(str(self.project.runs_dir))
        table.border_subtitle = Content(f"in {where}" if runs else f"none yet in {where}: start one on screen 4")

    def on_data_table_row_selected(self, event: QuietTable.RowSelected) -> None:
        run = next((run for run in list_runs(self.project.runs_dir) if run.name == event.row_key.value), None)
        if run:
            self._show_run(self.project.watch(run))
            self.draw_standings()

    # One run

    def _show_run(self, monitor: Monitor) -> None:
        monitor.refresh()
        self.query_one(ContentSwitcher).current = "run"
        if monitor is not self._drawn:
            self._drawn, self._logged = monitor, 0
            self.query_one("#log", RichLog).clear()
        self._draw_run(monitor)
        self.query_one("#log").focus()
        self.refresh_bindings()

    def _draw_run(self, monitor: Monitor) -> None:
        self._draw_progress(monitor)
        self.query_one("#numbers", Static).update(_numbers(monitor), layout=False)
        marks = [monitor.pivot_step] if monitor.pivot_step is not None else []
        loss, rate = self.query_one("#loss-plot", Plot), self.query_one("#rate-plot", Plot)
        loss.show(monitor.smoothed_losses, monitor.losses, monitor.total_steps, marks)
        rate.show(monitor.effective_lrs, (), monitor.total_steps, marks)
        self._draw_title("progress", f"{monitor.name}  {glyphs().sign(RUN_SIGNS[monitor.state])} {monitor.state}")
        self._draw_title("rate", f"Learning rate, dotted: pivot at {monitor.pivot_step}" if marks else "Learning rate")
        self._draw_log(monitor)
        self._draw_files(monitor)
        if monitor.state != self._drawn_state:
            self._drawn_state = monitor.state
            self.refresh_bindings()

    def _draw_title(self, id: str, title: str) -> None:
        """A title set is a panel repainted, so only when it changes."""
        panel = self.query_one(f"#{id}")
        shown = Content(title)
        if panel.border_title != shown.markup:
            panel.border_title = shown

    def _draw_progress(self, monitor: Monitor) -> None:
        done, total = monitor.progress or (monitor.step, monitor.total_steps)
        phase = (monitor.phase.replace("_", " ") or "starting the worker") if monitor.active else monitor.state
        self.query_one("#phase", Static).update(f"{phase} {done}/{total}", layout=False)
        self.query_one(QuietBar).show(done, total)

    def _draw_log(self, monitor: Monitor) -> None:
        log = self.query_one("#log", RichLog)
        new = min(monitor.message_count - self._logged, len(monitor.messages))
        for message in list(monitor.messages)[len(monitor.messages) - new :]:
            log.write(Text(message))
        self._logged = monitor.message_count

    def _draw_files(self, monitor: Monitor) -> None:
        if monitor.outcome:
            problem, remedy = monitor.outcome
            text = f"{problem}\n{remedy}\nGo on from the newest checkpoint: loratui resume {monitor.run.address}"
        elif monitor.verified:
            state = "verified" if monitor.verified.ok else "NOT verified"
            files = ", ".join(visible(Path(file).name) for file in monitor.verified.files)
            text = f"Files, {state}: {files}\nin {visible(str(monitor.run.output))}"
        elif monitor.samples:
            text = f"Newest sample: {visible(str(monitor.samples[-1]))}"
        else:
            text = ""
        files = self.query_one("#files", Static)
        if str(files.content) != text:
            files.update(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            monitor = self.project.monitor
            return bool(monitor and monitor.active and self._run_is_shown)
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        """Ask the run to end, once the user has confirmed."""
        monitor = self.project.monitor
        if monitor is None:
            return
        question = (
            f"Stop the run {monitor.name} at step {monitor.step} of {monitor.total_steps}?\n\n"
            f"It writes a checkpoint and exports first; `loratui resume {monitor.run.address}` goes on later."
        )

        def ask(yes: bool | None) -> None:
            if yes:
                monitor.run.request("stop")
                self.notify("Asked the run to stop; it writes a checkpoint and exports first.")

        self.app.push_screen(ConfirmScreen(question, "Stop the run"), ask)


def _run_cells(run: RunDir) -> tuple[str, str, str, str, str]:
    status = run.status()
    loss = "" if status.loss is None else f"{status.loss:.4f}"
    age = "" if is_active(status) or not status.updated else f"{duration(time.time() - status.updated)} ago"
    return (
        run.name,
        f"{glyphs().sign(RUN_SIGNS[status.state])} {status.state}",
        f"{status.step}/{status.total_steps}",
        loss,
        age,
    )


def _numbers(monitor: Monitor) -> Text:
    """The run's numbers, each with its name; those that are not known yet are left out."""
    known = {
        "loss": monitor.smoothed_loss,
        "lr": monitor.effective_lr,
        "d": monitor.d,
        "grad norm": monitor.grad_norm,
        "samples/s": monitor.samples_per_second,
        "s/step": monitor.seconds_per_step,
    }
    parts = [(name, f"{value:.3g}") for name, value in known.items() if value is not None]
    if monitor.memory is not None:
        parts.append(("memory", f"{monitor.memory / 2**30:.1f} GiB"))
    if monitor.eta_seconds is not None:
        parts.append(("left", duration(monitor.eta_seconds)))
    text = Text(no_wrap=False)
    for name, value in parts:
        text.append(f"{name} ", "dim")
        text.append(f"{value}  ", "bold")
    return text
