"""The files of a run to take away: whether they are verified, where they go, and the line that fetches them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from curation.text import visible
from engine.config import TrainConfig
from engine.events import Verified
from engine.results.files import OutputFile, exported_name, output_files, scp_line
from engine.results.tools import Tool, first_prompt, tools
from engine.sizes import gigabytes
from engine.text.abstractions import run_tokens
from loratui.runs.monitor import Monitor
from loratui.terminal.glyphs import glyphs
from loratui.widgets.row_list import Column, RowList

NONE = "Nothing was exported yet. A run exports at its end; e writes files from a checkpoint."
COLUMNS = (
    Column("File"),
    Column("Size", 9),
    Column("State", 14),
    Column("What it is", 32, least=90),
)


class FilesPane(Vertical):
    """A row for each file; below it where the files go, tool by tool, and how to fetch them."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._files: dict[str, OutputFile] = {}
        self._states: Mapping[str, str] = {}
        self._folder: Path | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="files-frame", classes="panel"):
            yield RowList(COLUMNS, id="file-rows")
            yield Static(id="files-state", classes="hint", markup=False)
        with VerticalScroll(id="places", classes="panel", can_focus=True):
            yield Static(id="places-text", markup=False)

    def on_mount(self) -> None:
        self.query_one("#files-frame").border_title = "Files"
        self.query_one("#places").border_title = "Where they go"

    def show(self, monitor: Monitor, config: TrainConfig) -> None:
        """Show a run's files as they are now, and what verifying them said last."""
        run, verdict = monitor.run, monitor.verified
        files = output_files(run)
        self._files = {str(file.path.relative_to(run.path)): file for file in files}
        self._states = {key: _state(file, run.output, verdict) for key, file in self._files.items()}
        self.query_one("#file-rows", RowList).show(self._files, self._cells)
        self.query_one("#files-state", Static).update(
            visible(verdict.message) if verdict and files else "" if files else NONE
        )
        self._folder = run.output if files else None
        listed = tools(exported_name(run), first_prompt(config), run_tokens(config))
        self.query_one("#places-text", Static).update(_places(listed, self.scp))

    def take_focus(self) -> None:
        self.query_one("#file-rows").focus()

    def on_row_list_highlighted(self, event: RowList.Highlighted) -> None:
        event.stop()

    @property
    def scp(self) -> str | None:
        """The line that fetches the folder of the file under the cursor; None without a file."""
        key = self.query_one("#file-rows", RowList).key
        file = self._files.get(key or "")
        folder = file.path.parent if file else self._folder
        return scp_line(folder) if folder else None

    def _cells(self, key: str) -> tuple[str, ...]:
        file = self._files[key]
        return key, gigabytes(file.size), self._states[key], file.meaning


def _state(file: OutputFile, output: Path, verdict: Verified | None) -> str:
    """Of a tensor file in the run's own output: what verifying it said. A checkpoint's export is not compared."""
    if file.path.suffix != ".safetensors":
        return ""
    if verdict is None or file.path.parent != output:
        return f"{glyphs().open} not verified"
    return f"{glyphs().done} verified" if verdict.ok else f"{glyphs().blocked} NOT verified"


def _places(listed: Iterable[Tool], scp: str | None) -> Text:
    """Where each file goes, how a prompt reads there, and the line that fetches them."""
    text = Text()
    if scp:
        text.append("Fetch them, on your own computer (y copies it; with the address that you log in by):\n", "dim")
        text.append(f"{visible(scp)}\n\n", "bold")
    for tool in listed:
        text.append(f"{tool.name}\n", "bold")
        for place in tool.places:
            into = f"into {place.folder}" if place.folder else "into any folder; README.md has the Python"
            text.append(f"  {visible(place.file)}  {into}\n")
        text.append("  prompt: ", "dim").append(f"{visible(tool.prompt)}\n")
    return text
