"""The TUI: one Textual app, a mode for each step of the road, and the promise that nothing typed is lost."""

import asyncio
import errno
import os
import signal
import sys
import termios
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from curation.errors import StatedError
from curation.hub import photos_folder
from curation.text import visible
from engine.rundir import find_run
from loratui.project import CONFIG_FILE, Project
from loratui.recipe import Recipe
from loratui.screens.captions import CaptionsScreen
from loratui.screens.checks import ChecksScreen
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.help import HelpScreen
from loratui.screens.home import HomeScreen
from loratui.screens.photos import PhotosScreen
from loratui.screens.recipe import RecipeScreen
from loratui.screens.results import ResultsScreen
from loratui.screens.train import TrainScreen
from loratui.widgets.step_strip import STEPS

SCREENS = (
    HomeScreen,
    PhotosScreen,
    ChecksScreen,
    CaptionsScreen,
    RecipeScreen,
    TrainScreen,
    ResultsScreen,
)


class LoratuiApp(App[None]):
    """Walks one project through its steps. Quitting never touches a run."""

    TITLE = "loratui"
    CSS_PATH = "app.tcss"
    DEFAULT_MODE = "photos"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (161, "-wide")]  # noqa: RUF012 - not a ClassVar in Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"step('{mode}')", title, show=False, tooltip="Go to this screen")
            for number, (mode, title) in enumerate(STEPS.items(), start=1)
        ),
        Binding("0", "step('home')", "Home", show=False, tooltip="Go to this screen"),
        Binding("question_mark", "help", "Help", tooltip="The keys of this screen"),
        Binding("q", "quit", "Quit", tooltip="Leave; captions are saved, and a run goes on"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Draw the whole screen again"),
    ]

    def __init__(self, project: Project, first: str = "photos") -> None:
        super().__init__()
        self.project = project
        self._first = first
        for screen in SCREENS:
            self.add_mode(screen.mode, partial(screen, project))

    def on_mount(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        if self._first != "photos":
            self.switch_mode(self._first)

    def hang_up(self) -> None:
        """Save what was typed, at once, and leave. Signals call this at any point of the program."""
        self._note_edits()
        self.project.keep_captions()
        if _terminal_is_gone():
            os._exit(128 + signal.SIGHUP)  # Textual's output thread died with it: a regular exit can wait for ever
        self._running_loop.call_soon_threadsafe(self.exit)

    def _note_edits(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, CaptionsScreen) and screen.is_mounted:
                screen.note_edit()

    def action_step(self, mode: str) -> None:
        self.switch_mode(mode)

    def action_redraw(self) -> None:
        self.refresh(layout=True)
        self.screen.refresh()

    def action_help(self) -> None:
        widgets = {type(widget) for widget in self.screen.query("*") if type(widget).__module__.startswith("loratui")}
        bindings = [*_own_bindings(*widgets), *self._bindings_of(self.screen)]
        keys = [(key_name(binding.key), _meaning(binding)) for binding in bindings]
        self.push_screen(HelpScreen(f"Keys of {STEPS.get(self.current_mode, 'Home')}", keys))

    async def action_quit(self) -> None:
        """Save the captions and leave; ask when they cannot be saved."""
        self._note_edits()
        try:
            self.project.save_captions()
        except StatedError as error:
            count = len(self.project.unsaved)
            question = (
                f"{visible(error.problem)} {visible(error.remedy)}\n\n"
                f"Leave with {count} {'caption' if count == 1 else 'captions'} kept in a file, for the next time?"
            )
            self.push_screen(ConfirmScreen(question, "Leave"), lambda yes: self.exit() if yes else None)
            return
        self.exit()

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """Every action of the screen, then Textual's own."""
        for binding in self._bindings_of(screen):
            yield SystemCommand(binding.description, _meaning(binding), partial(screen.run_action, binding.action))
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)
        yield SystemCommand("Screenshot", "Save an SVG of this screen", self.deliver_screenshot)

    def _bindings_of(self, screen: Screen) -> list[Binding]:
        return _own_bindings(type(screen), type(self))

    def on_recipe_screen_run_started(self, message: RecipeScreen.RunStarted) -> None:
        self.project.watch(message.run)
        for warning in message.warnings:
            self.notify(visible(warning), severity="warning", timeout=10, markup=False)
        self.switch_mode("train")


def run_app(photos: Path | None, runs_dir: Path, attach: str | None = None) -> int:
    """Run the TUI and return its exit code.

    photos: the folder to open; without it the one that lora.toml names, if any.  attach: a run to show first.
    Raises EngineError for a run that is not there, CurationError for photos that cannot be opened.  Whatever ends the
    TUI, captions that were typed are saved; then it says how to come back to a run that goes on.
    """
    project = Project(runs_dir)
    if photos := photos or _photos_of_config():
        project.open(photos)
    if attach:
        project.watch(find_run(runs_dir, attach))
    if "NO_COLOR" in os.environ:
        os.environ.setdefault("TEXTUAL_THEME", "ansi-dark")  # Textual alone sends RGB greys then
    app = LoratuiApp(project, "train" if attach else "photos")
    for number in (signal.SIGHUP, signal.SIGTERM):
        # Not through the event loop, which may be waiting for a terminal that is gone.
        signal.signal(number, lambda *_: app.hang_up())
    try:
        app.run()
    finally:
        kept = project.keep_captions()
        _say_farewell(project, kept)
    return app.return_code or 0


def _terminal_is_gone() -> bool:
    try:
        termios.tcgetattr(sys.__stdin__ or 0)
    except termios.error as error:
        return error.args[0] == errno.EIO
    return False


def _photos_of_config() -> Path | None:
    """The folder of photos that the lora.toml here names; None without one, and for one that is broken."""
    if not CONFIG_FILE.exists():
        return None
    try:
        data = Recipe.from_file(CONFIG_FILE).compose().config.data
    except StatedError:
        return None
    named = photos_folder(data.instance_data_dir or data.dataset_name or "", fetch=False)
    return named if named.name and named.is_dir() else None


def _say_farewell(project: Project, kept: Path | None) -> None:
    lines = []
    if kept:
        lines.append(f"Captions that could not be saved are kept in {kept}; the photos' folder offers them again.")
    if project.monitor:
        project.monitor.refresh()
        if project.monitor.active:
            lines.append(
                f"The run {project.monitor.name} goes on. Come back with: loratui attach {project.monitor.run.address}"
            )
    for line in lines:
        sys.stderr.write(visible(line) + "\n")


def _own_bindings(*kinds: type[DOMNode]) -> list[Binding]:
    """The bindings that these classes themselves declare."""
    return [binding for kind in kinds for binding in vars(kind).get("BINDINGS", []) if isinstance(binding, Binding)]


def key_name(key: str) -> str:
    """A key as its users know it."""
    return key.replace("question_mark", "?")


def _meaning(binding: Binding) -> str:
    return f"{binding.description}. {binding.tooltip}." if binding.tooltip else f"{binding.description}."
