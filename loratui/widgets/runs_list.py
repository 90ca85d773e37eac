"""All runs there are, each in its true state; looked at in the background, for a folder on a network disk is slow."""

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from curation.text import duration, visible
from engine.rundir import RunDir, list_runs
from engine.sizes import gigabytes
from loratui.jobs import Job, run_in_background
from loratui.runs.overview import Overview, overview
from loratui.standing import RUN_SIGNS
from loratui.terminal.glyphs import glyphs
from loratui.widgets.row_list import Column, RowList

SECONDS = 3.0  # between two looks

COLUMNS = (
    Column("Run"),
    Column("State", 11),
    Column("Step", 13),
    Column("Loss", 7),
    Column("Rate", 8, least=90),
    Column("ETA", 7),
    Column("Age", 7, least=90),
    Column("Disk", 8),
    Column("Cost", 8, least=110),
)


class RunsList(Vertical):
    """A row for each run, by its folder's path; says where they are, and how to come by one where there is none."""

    class Looked(Message, bubble=False):
        """The runs were looked at."""

        def __init__(self, rows: list[Overview]) -> None:
            super().__init__()
            self.rows = rows

    def __init__(self, runs_dir: Path, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")
        self._runs_dir = runs_dir
        self._rows: dict[str, Overview] = {}
        self._cells: dict[str, tuple[str, ...]] = {}
        self._is_looking = False
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield RowList(COLUMNS)
        yield Static(id="no-runs", classes="hint", markup=False)

    def on_mount(self) -> None:
        self.border_title = "Runs"
        self.border_subtitle = Content(f"in {visible(str(self._runs_dir))}; enter: attach")
        self._timer = self.set_interval(SECONDS, self.look, pause=True)

    def watch_runs(self, on: bool) -> None:
        """Look at the runs now and then, from now on; or do not."""
        if on:
            self.look()
            self._timer.resume()
        else:
            self._timer.pause()

    def look(self) -> None:
        """Look at the runs once, in the background."""
        if not self._is_looking:
            self._is_looking = True
            run_in_background(lambda job: _look(self._runs_dir), Job("Looking at the runs"), self._take)

    def _take(self, rows: list[Overview] | None, _error: BaseException | None) -> None:
        """Called by the thread: all it does is to post what it saw."""
        self.post_message(self.Looked(rows or []))

    @property
    def chosen(self) -> Overview | None:
        """The run under the cursor."""
        return self._rows.get(self.query_one(RowList).key or "")

    def focus_list(self, run: RunDir | None) -> None:
        """Take the focus; the cursor goes to the run that is on view."""
        self._wanted = str(run.path) if run else ""  # it may not be listed yet
        self.query_one(RowList).go_to_key(self._wanted)
        self.query_one(RowList).focus()

    def on_runs_list_looked(self, message: Looked) -> None:
        self._is_looking = False
        before, self._cells = self._cells, {str(row.run.path): _row(row) for row in message.rows}
        self._rows = {str(row.run.path): row for row in message.rows}
        rows = self.query_one(RowList)
        if list(before) != list(self._cells):
            rows.show(self._cells, self._cells_of)
        else:
            rows.redraw(*(path for path, cells in self._cells.items() if cells != before[path]))
        rows.go_to_key(self._wanted)
        self._wanted = ""
        self._say_whether_there_are_any()
        self.screen.refresh_bindings()

    def _say_whether_there_are_any(self) -> None:
        hint = self.query_one("#no-runs", Static)
        where = visible(str(self._runs_dir))
        text = "" if self._rows else f"None yet in {where}. Start one on screen 4, or with: loratui train lora.toml"
        if str(hint.content) != text:
            hint.update(text)

    def _cells_of(self, path: str) -> Sequence[str]:
        return self._cells.get(path, ())


def _look(runs_dir: Path) -> list[Overview]:
    found = []
    for run in list_runs(runs_dir):
        try:
            found.append(overview(run))
        except OSError:  # it was removed meanwhile
            continue
    return found


def _row(row: Overview) -> tuple[str, ...]:
    status = row.status
    return (
        row.run.name,
        f"{glyphs().sign(RUN_SIGNS[status.state])} {status.state}",
        f"{status.step}/{status.total_steps}",
        "" if status.loss is None else f"{status.loss:.4f}",
        "" if row.effective_lr is None else f"{row.effective_lr:.3g}",
        "" if row.eta_seconds is None else duration(row.eta_seconds),
        duration(row.age_seconds),
        gigabytes(row.disk),
        "" if row.cost is None else f"{row.cost:.2f}",
    )
