"""Home: the folders that were opened last, the runs there are, and what this machine can do."""

import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from curation.errors import StatedError
from curation.text import counted, duration, visible
from engine.paths import CONFIG_FILE, typed_path
from loratui.jobs import Job, run_in_background
from loratui.screens.step import StepScreen
from loratui.standing import RUN_SIGNS
from loratui.terminal.glyphs import Sign, glyphs
from loratui.user.recent import RecentFolder, forget_folder, recent_folders
from loratui.widgets.path_field import PathField
from loratui.widgets.row_list import Column, RowList

if TYPE_CHECKING:
    from engine.rundir import Status
    from loratui.machine import Fact

LOOK_SECONDS = 5.0
ALIVE = ("queued", "starting", "running", "paused")
DAY_SECONDS = 86400

WHERE = 28
FOLDER_COLUMNS = (Column("Folder"), Column("In", WHERE, least=70), Column("Photos", 6), Column("Opened", 11))
RUN_COLUMNS = (
    Column("Run"),
    Column("In", WHERE, least=80),
    Column("State", 11),
    Column("Step", 11),
    Column("Changed", 11, least=60),
)

FIRST_EVENING = """\
A LoRA teaches SDXL one subject: a person, an object, a style, a character.
It takes 10 to 30 photos of it, a few words about each, and some GPU hours.

  o   opens a folder of photos. Then the keys 1 to 6 walk the road above:
      look at the photos, mend what the checks find, write captions, choose
      a recipe, train, and take the files to where pictures are made.

  Nothing is changed without being asked for, and what was, can be undone.
  Without photos at hand: leave with q and run  loratui demo
"""


@dataclass(frozen=True)
class FoundRun:
    """A run and its true state, when it was looked at."""

    path: Path
    status: "Status"


@dataclass(frozen=True)
class Found:
    """What there is.  gone: paths of folders that are not there any more.  runs: those alive first, then the newest."""

    folders: Sequence[RecentFolder]
    gone: Set[str]
    runs: Sequence[FoundRun]

    @property
    def outline(self) -> tuple[object, ...]:
        """All but how far the runs are: as long as it is the same, a run's own row is all that is to be drawn."""
        return self.folders, self.gone, [(run.path, run.status.state) for run in self.runs]


class HomeScreen(StepScreen):
    """Where one comes in. Everything on it is looked up in the background."""

    mode = "home"
    CSS_PATH = "home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o,n", "open", "Open folder", id="home.open", tooltip="Type the path of a folder of photos"),
        Binding("x", "forget", "Forget", id="home.forget", tooltip="Take the folder off this list; it stays on disk"),
        Binding("r", "look", "Look again", id="home.look", tooltip="Look at folders, runs and machine again"),
    ]

    class Looked(Message, bubble=False):
        """Folders and runs were looked at."""

        def __init__(self, found: Found) -> None:
            super().__init__()
            self.found = found

    def compose_body(self) -> Iterator:
        yield Static(id="machine", markup=False)
        yield PathField(classes="panel")
        yield Static(FIRST_EVENING, id="first-evening", classes="panel", markup=False)
        with Container(id="lists"):
            yield RowList(FOLDER_COLUMNS, id="folders", classes="panel")
            yield RowList(RUN_COLUMNS, id="runs", classes="panel")

    def on_mount(self) -> None:
        self._folders: dict[str, RecentFolder] = {}
        self._found: Found | None = None
        self._is_looking = False
        self._facts: list[tuple[Sign, str]] = []
        self._runs: dict[str, FoundRun] = {}
        self.query_one("#folders").border_title = "Recent folders"
        self.query_one("#runs").border_title = "Runs"
        self.query_one(PathField).display = False
        self._timer: Timer = self.set_interval(LOOK_SECONDS, self._look, pause=True)
        self._draw_lists()
        self.when_drawn(self._look_at_machine)

    def draw(self) -> None:
        self._draw_lists()  # how long ago things were changes while one is elsewhere
        self._timer.resume()
        self.when_drawn(self._look)  # what looks takes longer to import than all of this to draw

    def on_screen_suspend(self) -> None:
        self._timer.pause()

    # What there is

    def _look_at_machine(self) -> None:
        runs_dir = self._loratui.runs_dir

        def look(_: Job) -> "list[Fact]":
            from loratui.machine import machine_facts

            return machine_facts(runs_dir)

        self.start_job("Looking at the machine", look, self._draw_machine)

    def _draw_machine(self, facts: "list[Fact]") -> None:
        colours = {"standard": "16", "256": "256", "truecolor": "16 million"}.get(self.app.console.color_system or "")
        terminal = f"{self.app.size.width}x{self.app.size.height}, {colours if colours else 'no'} colours"
        if self.app.no_color:
            terminal = "NO_COLOR"
        self._facts = [(fact.sign, fact.text) for fact in facts]
        self._facts.append(("done", f"{terminal}, pictures: {self._loratui.picture_way}"))
        self._draw_facts()

    def _draw_facts(self) -> None:
        """As many on a line as there is room for; none is broken."""
        line, width = Text(), 0
        for sign, fact in self._facts:
            text = f"{glyphs().sign(sign)} {visible(fact)}"
            if width and width + len(text) > self.app.size.width - 2:
                line.append("\n")
                width = 0
            line.append(f"{text}   ")
            width += len(text) + 3
        self.query_one("#machine", Static).update(line)

    def on_resize(self) -> None:
        self._draw_facts()

    def _look(self) -> None:
        """Look at folders and runs; not as a job, for it happens again and again and nobody waits for it."""
        if self._is_looking:
            return
        self._is_looking = True
        here = self._loratui.runs_dir.resolve()
        run_in_background(lambda _: look_around(here), Job("Looking around"), lambda found, _: self._hear(found))

    def _hear(self, found: "Found | None") -> None:
        self.post_message(self.Looked(found or Found((), frozenset(), ())))

    def on_home_screen_looked(self, message: Looked) -> None:
        self._is_looking = False
        if message.found == self._found:
            return
        before, self._found = self._found, message.found
        runs_before, self._runs = self._runs, {str(each.path): each for each in message.found.runs}
        self._folders = {folder.path: folder for folder in message.found.folders}
        if before and before.outline == message.found.outline:
            changed = [path for path, run in self._runs.items() if run != runs_before[path]]
            self.query_one("#runs", RowList).redraw(*changed)
        else:
            self._draw_lists()

    def _draw_lists(self) -> None:
        folders, runs = self.query_one("#folders", RowList), self.query_one("#runs", RowList)
        folders.show(self._folders, self._folder_cells)
        runs.show(self._runs, self._run_cells)
        runs.border_subtitle = self._counted_runs() or "none yet"
        folders.border_subtitle = "" if self._folders else "none yet: o opens one"
        is_new, is_typing = not self._folders and not self._runs, self.query_one(PathField).display
        self.query_one("#first-evening").display = is_new and not is_typing
        self.query_one("#lists").display = not is_new and not is_typing
        if self.focused is None and not is_new and not is_typing:
            (folders if self._folders else runs).focus()
        self.refresh_bindings()

    def _counted_runs(self) -> str:
        """How many runs go on, wait to, or have ended."""
        states = [each.status.state for each in self._runs.values()]
        alive, paused = sum(state in ALIVE for state in states), states.count("paused")
        counts = {"alive": alive - paused, "paused": paused, "ended": len(states) - alive}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)

    def _folder_cells(self, path: str) -> tuple[str, ...]:
        folder = self._folders[path]
        is_gone = self._found is not None and path in self._found.gone
        name = Path(path).name
        shown = f"{glyphs().blocked} {name} (gone)" if is_gone else name
        return shown, _where(Path(path).parent), "" if is_gone else str(folder.photos), _ago(folder.opened)

    def _run_cells(self, path: str) -> tuple[str, ...]:
        found = self._runs[path]
        status = found.status
        state = f"{glyphs().sign(RUN_SIGNS[status.state])} {status.state}"
        changed = _ago(status.updated) if status.updated else ""
        return found.path.name, _where(found.path.parent), state, f"{status.step}/{status.total_steps}", changed

    # What can be done

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        if event.row_list.id == "folders":
            self._open(Path(event.key))
        elif run := self._runs.get(event.key):
            from engine.rundir import RunDir

            self.project.watch(RunDir(run.path))
            self.app.switch_mode("train")

    def on_row_list_highlighted(self) -> None:
        self.refresh_bindings()

    def on_descendant_focus(self) -> None:
        self.refresh_bindings()

    def on_path_field_submitted(self, event: PathField.Submitted) -> None:
        if event.text:
            self._open(typed_path(event.text))

    def _open(self, folder: Path) -> None:
        before = self.project.dataset
        try:
            self.project.open(folder)
        except StatedError as error:
            self.tell(error)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.tell(StatedError(f"This path cannot be used: {reason}.", "Type the path of a folder of photos."))
        if self.project.dataset is not before:
            self._hide_field()
            if self.project.unsaved:
                self.notify(f"{len(self.project.unsaved)} captions that were not saved the last time are back.")
            if unwritten := len(self.project.recipe.unwritten()):
                self.notify(f"Back on 4 Recipe, and not in {CONFIG_FILE} yet: {counted(unwritten, 'setting')}.")
            self.app.switch_mode("photos")

    def action_open(self) -> None:
        self.query_one(PathField).display = True
        here = self.project.dataset.root.parent if self.project.dataset else Path.cwd()
        self.query_one(PathField).begin(f"{_under_home(str(here))}/")
        self._draw_lists()

    def action_leave_field(self) -> None:
        self._hide_field()

    def _hide_field(self) -> None:
        self.query_one(PathField).display = False
        self.set_focus(None)
        self._draw_lists()

    def action_forget(self) -> None:
        if path := self.query_one("#folders", RowList).key:
            forget_folder(path)
            self._look()

    def action_look(self) -> None:
        self._look_at_machine()
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "forget":
            return isinstance(self.focused, RowList) and self.focused.id == "folders" and bool(self.focused.key)
        if action == "leave_field":
            return self.focused is not None and any(isinstance(node, PathField) for node in self.focused.ancestors)
        return super().check_action(action, parameters)


def look_around(runs_dir: Path) -> Found:
    """The recent folders, and all runs in `runs_dir` and where those folders' runs go, with their true states."""
    from engine.rundir import list_runs  # 150 ms, with pydantic

    folders = recent_folders()
    runs = []
    for place in sorted({runs_dir, *(Path(folder.runs_dir) for folder in folders)}):
        try:
            runs += [FoundRun(run.path, run.status()) for run in list_runs(place)]
        except OSError:  # a folder of another user, or a disk that is gone
            continue
    runs.sort(key=lambda each: (each.status.state not in ALIVE, -each.status.updated))
    return Found(tuple(folders), frozenset(folder.path for folder in folders if not folder.is_there), tuple(runs))


def _under_home(path: str) -> str:
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path == home or path.startswith(f"{home}/") else path


def _where(folder: Path) -> str:
    """The end of a path, which tells more than its beginning."""
    path = _under_home(str(folder))
    return path if len(path) <= WHERE else f"{glyphs().cut}{path[1 - WHERE :]}"


def _ago(moment: float) -> str:
    """How long ago, as 12m03s; from two days on in days."""
    passed = max(time.time() - moment, 0.0)
    if passed >= 2 * DAY_SECONDS:
        return f"{passed // DAY_SECONDS:.0f} days ago"
    return f"{duration(passed)} ago"
