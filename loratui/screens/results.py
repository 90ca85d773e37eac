"""Results: what a run learned, as pictures, as numbers beside another run's, and as files to take away."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import ContentSwitcher

from curation.errors import StatedError
from curation.text import visible
from engine.config import TrainConfig
from engine.events import Verified
from engine.rundir import RunDir, find_run, list_runs
from engine.training.manifest import checkpoint_folders
from loratui.jobs import Job, run_in_background
from loratui.own_command import run_own_command
from loratui.runs.comparison import Comparison, compare
from loratui.runs.monitor import Monitor
from loratui.runs.sample_grid import sample_rows
from loratui.screens.choose import ChooseScreen
from loratui.screens.painting import Painting
from loratui.screens.results_compare import ComparePane
from loratui.screens.results_files import FilesPane
from loratui.screens.results_generate import GeneratePane
from loratui.screens.results_samples import SamplesPane
from loratui.standing import RUN_SIGNS
from loratui.terminal.glyphs import glyphs
from loratui.widgets.row_list import Column, RowList
from loratui.widgets.runs_list import RunsList
from loratui.widgets.views_line import ViewsLine

LOOK_SECONDS = 3.0  # at a run that goes on
VERDICT = ("ok", "files", "tensors", "difference", "message")  # of what `loratui verify --json` says
VIEWS = {
    "samples": ("s", "Samples"),
    "generate": ("n", "Generate"),
    "compare": ("c", "Compare"),
    "files": ("f", "Files"),
}
"""Each view's key and title."""
OF_VIEW = {
    "paint": "generate",
    "next_seed": "generate",
    "draw_seed": "generate",
    "take_settings": "generate",
    "other_run": "compare",
    "move_step": "compare",
    "verify": "files",
    "export": "files",
}
"""Actions that make sense in one view only."""


class ResultsScreen(Painting):
    """The last step: views of one run, chosen here or on another screen, behind keys of their own."""

    mode = "results"
    CSS_PATH = "results.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"view('{view}')", title, show=False, id=f"results.{view}", tooltip=f"Turn to {title}")
            for view, (key, title) in VIEWS.items()
        ),
        Binding("p", "paint", "Paint", id="results.paint", tooltip="Paint a picture with these settings"),
        Binding(
            "plus,equals_sign", "next_seed", "Next seed", id="results.next_seed", tooltip="One more than this seed"
        ),
        Binding("z", "draw_seed", "Any seed", False, id="results.draw_seed", tooltip="Draw a seed at random"),
        Binding(
            "t", "take_settings", "Its settings", id="results.take_settings", tooltip="Take the picture's settings"
        ),
        Binding("o", "other_run", "Other run", id="results.other_run", tooltip="Choose the run to compare with"),
        Binding(
            "less_than_sign,comma",
            "move_step(-1)",
            "Earlier",
            id="results.earlier",
            tooltip="Pictures of a step before",
        ),
        Binding(
            "greater_than_sign,full_stop",
            "move_step(1)",
            "Later",
            id="results.later",
            tooltip="Pictures of a later step",
        ),
        Binding("v", "verify", "Verify", id="results.verify", tooltip="Load the files and compare a picture"),
        Binding("e", "export", "Export", id="results.export", tooltip="Write LoRA files from a checkpoint"),
        Binding(
            "y", "copy", "Copy", id="results.copy", tooltip="Copy the command line, or the one that fetches the files"
        ),
        Binding("r", "runs", "Runs", id="results.runs", tooltip="All runs; enter shows one's results"),
    ]

    class Followed(Message, bubble=False):
        """The run was looked at. has_news: whether anything happened."""

        def __init__(self, monitor: Monitor, has_news: bool) -> None:
            super().__init__()
            self.monitor, self.has_news = monitor, has_news

    def compose_body(self) -> Iterator:
        yield ViewsLine(VIEWS, id="views")
        with ContentSwitcher(initial="runs"):
            yield RunsList(self.project.runs_dir, id="runs")
            yield SamplesPane("samples")
            yield GeneratePane("generate")
            yield ComparePane("compare")
            yield FilesPane("files")

    def on_mount(self) -> None:
        self._view = "samples"
        self._config = TrainConfig()
        self._is_looking = False
        self._verdicts: dict[Path, Verified] = {}
        self._timer = self.set_interval(LOOK_SECONDS, self._look, pause=True)

    def on_screen_suspend(self) -> None:
        self._timer.pause()
        self._runs.watch_runs(False)

    @property
    def _runs(self) -> RunsList:
        return self.query_one(RunsList)

    # Which run, and which view of it

    def draw(self) -> None:
        if self.project.monitor is None:
            self._shown = None
            self.action_runs()
        elif self.project.monitor is not self._shown:
            self._turn_to(self.project.monitor)
        else:
            self._draw_view()
        self._timer.resume()

    def _turn_to(self, monitor: Monitor) -> None:
        """Show another run; its events may take a second to read."""
        try:
            self._config = monitor.run.config()
        except StatedError as error:
            self._shown = None
            self.tell(error)
            self.action_runs()
            return
        self._shown = monitor
        self.query_one(ComparePane).clear(f"Compare {monitor.name} with another run: o chooses it.")
        self.start_job(f"Reading {monitor.name}", lambda job: monitor.refresh(job.progress), self._take_read)
        self._draw_view(take_focus=True)

    def _take_read(self, _: bool) -> None:
        self._judge()
        self._draw_view()
        self.draw_standings()

    def _look(self) -> None:
        """Follow the run: one that has ended may go on, by another's word."""
        monitor = self._shown
        if monitor is None or self._is_looking:
            return
        self._is_looking = True

        def take(has_news: bool | None, error: BaseException | None) -> None:
            self.post_message(self.Followed(monitor, bool(has_news)))

        run_in_background(lambda job: monitor.refresh(), Job("Looking"), take)

    def on_results_screen_followed(self, message: Followed) -> None:
        self._is_looking = False
        monitor = message.monitor
        if monitor is not self._shown or not message.has_news:
            return
        # The end of a run is news to every view, a step to none but the pictures'; a preview is left in its place.
        if not self.jobs and (self._current == "samples" or not monitor.active):
            self._draw_view()
        self._draw_views()
        self.draw_standings()

    @property
    def _current(self) -> str | None:
        return self.query_one(ContentSwitcher).current if self.is_mounted else None

    def action_view(self, view: str) -> None:
        """Turn to another view of the run."""
        self._view = view
        if self._shown:
            self._draw_view(take_focus=True)

    def action_runs(self) -> None:
        """Show all runs."""
        self.query_one(ContentSwitcher).current = "runs"
        self._runs.watch_runs(True)
        self._runs.focus_list(self._shown.run if self._shown else None)
        self._draw_views()
        self.refresh_bindings()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        chosen = self._runs.chosen
        if self._current != "runs" or chosen is None:
            return
        if self._shown is None or chosen.run.path != self._shown.run.path:
            self.project.monitor = Monitor(chosen.run)
            self._turn_to(self.project.monitor)
        else:
            self._draw_view(take_focus=True)
        self.draw_standings()

    def _draw_view(self, take_focus: bool = False) -> None:
        monitor = self._shown
        if monitor is None:
            return
        if self._current == "runs" and not take_focus:
            return
        self._runs.watch_runs(False)
        self.query_one(ContentSwitcher).current = self._view
        if self._view == "samples":
            self.query_one(SamplesPane).show(monitor, sample_rows(monitor, self._config))
        elif self._view == "generate":
            self.query_one(GeneratePane).show(monitor.run, self._config, self._why_not_now())
        elif self._view == "files":
            self.query_one(FilesPane).show(monitor, self._config)
        if take_focus:
            pane: Any = self.query_one(f"#{self._view}")
            pane.take_focus()
        self._draw_views()
        self.refresh_bindings()

    def _draw_views(self) -> None:
        """The line of views, each with its key; and whose they are."""
        line, monitor = self.query_one(ViewsLine), self._shown
        if monitor:
            line.show(self._current, f"{monitor.name} {glyphs().sign(RUN_SIGNS[monitor.state])} {monitor.state}")
        else:
            line.show_words("Choose a run: enter shows its results.")

    def on_views_line_chosen(self, event: ViewsLine.Chosen) -> None:
        self.action_view(event.view)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        current = self._current
        if action in OF_VIEW:
            if action == "take_settings" and current == "generate":
                return self.query_one(GeneratePane).chosen is not None
            return current == OF_VIEW[action] and (action != "move_step" or self._is_compared)
        if action == "view":
            return self._shown is not None
        if action == "copy":
            return self._shown is not None and (current in ("generate", "files") or self._is_compared)
        if action == "runs":
            return current != "runs"
        return super().check_action(action, parameters)

    @property
    def _is_compared(self) -> bool:
        return self._current == "compare" and self.query_one(ComparePane).comparison is not None

    # Compare

    def action_other_run(self) -> None:
        """Choose the run to compare with."""
        shown = self._shown
        if shown is None:
            return
        others = [run for run in list_runs(self.project.runs_dir) if run.path != shown.run.path]
        if not others:
            self.notify("There is no other run to compare with.")
            return
        rows = {run.name: (run.name, run.status().state) for run in others}
        choice = ChooseScreen(f"Compare {shown.name} with", [Column("Run"), Column("State", 10)], rows)
        self.app.push_screen(choice, lambda name: self._compare(shown.run, name) if name else None)

    def _compare(self, one: RunDir, name: str) -> None:
        def work(_job: Job) -> Comparison:
            return compare(one, find_run(self.project.runs_dir, name))

        def take(found: Comparison) -> None:
            self.query_one(ComparePane).show(found)
            self.query_one(ComparePane).take_focus()
            self.refresh_bindings()

        self.start_job(f"Comparing with {visible(name)}", work, take)

    def action_move_step(self, by: int) -> None:
        self.query_one(ComparePane).move(by)

    # Files

    def _judge(self) -> None:
        """What verifying said here holds for the run on view, until its files are verified anew."""
        if monitor := self._shown:
            here, there = self._verdicts.get(monitor.run.path), monitor.verified
            if here and (there is None or there.time < here.time):
                monitor.verified = here

    def action_verify(self) -> None:
        """Have the files loaded and compared, in a process of its own."""
        if self._shown is None:
            return
        run = self._shown.run

        def take(done: tuple[int, str]) -> None:
            told = json.loads(done[1])
            verdict = Verified(time=time.time(), **{key: told[key] for key in VERDICT})
            self._verdicts[run.path] = verdict
            self._judge()
            said = "verified" if verdict.ok else "NOT verified"
            severity = "information" if verdict.ok else "error"
            self.notify(visible(verdict.message), title=visible(f"{run.name} {said}"), severity=severity, markup=False)
            self._draw_view()
            self.draw_standings()

        work = ("verify", str(run.path), "--json")
        self.start_job("Verifying the files", lambda job: run_own_command(job, *work), take)

    def action_export(self) -> None:
        """Choose a checkpoint to write files from."""
        if self._shown is None:
            return
        run = self._shown.run
        rows = {folder.name: (f"step {int(folder.name)}",) for folder in checkpoint_folders(run)}
        if not rows:
            self.notify("The run has no checkpoint to export.")
            return
        choice = ChooseScreen("Export from the checkpoint of", [Column("Checkpoint")], rows)
        self.app.push_screen(choice, lambda name: self._export(run, int(name)) if name else None)

    def _export(self, run: RunDir, step: int) -> None:
        def take(done: tuple[int, str]) -> None:
            written = done[1].splitlines()
            self.notify(visible(f"Wrote {len(written)} files to {Path(written[0]).parent}"), markup=False)
            self._draw_view()

        work = ("export", str(run.path), "--checkpoint", str(step))
        self.start_job(f"Exporting step {step}", lambda job: run_own_command(job, *work), take)

    def action_copy(self) -> None:
        """Copy the command line of this view: to paint, to compare, or to fetch the files."""
        try:
            line = self._line_of_view()
        except StatedError as error:
            self.tell(error)
            return
        if line:
            self.app.copy_to_clipboard(line)

    def _line_of_view(self) -> str | None:
        if self._current == "generate":
            return self.query_one(GeneratePane).command
        if self._current == "files":
            return self.query_one(FilesPane).scp
        comparison = self.query_one(ComparePane).comparison
        return f"loratui compare {' '.join(each.run.address for each in comparison.monitors)}" if comparison else None
