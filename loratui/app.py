"""The TUI: one Textual app, a mode for each step of the road, and the promise that nothing typed is lost."""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import sys
import termios
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.markup import escape
from rich.text import Text
from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen

from curation.errors import StatedError
from curation.text import visible
from loratui.jobs import Job, run_in_background
from loratui.keys_in_order import KeysInOrder
from loratui.picture_app import PictureApp
from loratui.screens import MODES, screen_of
from loratui.screens.step import StepScreen
from loratui.screens.too_small import TooSmallScreen, fits
from loratui.standing import RUN_SIGNS, WITHOUT_PHOTOS, Standing
from loratui.telling_app import TellingApp
from loratui.terminal.ascii_filter import AsciiFilter
from loratui.terminal.glyphs import use_glyphs
from loratui.terminal.probe import PLAIN, Terminal
from loratui.user.keymap import KeyedAction, actions_of, checked_keymap, everywhere, title_of
from loratui.user.preferences import DEFAULT_THEME, Preferences, save_theme
from loratui.widgets.step_strip import STEPS, StepStrip
from loratui.widgets.text_fields import takes_text

if TYPE_CHECKING:
    from loratui.project import Project
    from loratui.runs.monitor import Monitor
    from loratui.screens.recipe import RecipeScreen

ANSI_THEME = "ansi-dark"
"""For terminals of 16 colours, or none: it takes the terminal's own, and tells the rest by bold and reverse."""
LAST_KEYS = 30
CLEAR = "\x1b[2J"
"""Wipes what something else wrote over the screen."""
WATCH_SECONDS = 2.0
RUN_SECONDS = 3.0
"""Between two looks at the run, where no screen follows it."""
FOLLOWERS = ("train", "results")
"""Screens that look at the run themselves, and show more of it than how it stands."""
KEEP_SECONDS = 2.0
"""Between two looks at whether settings were typed that are to be kept."""
PATIENCE_SECONDS = 5.0
"""For leaving after a signal, with all saved: a terminal may go while the last words are being sent to it."""


class LoratuiApp(KeysInOrder, PictureApp, TellingApp):
    """Walks one project through its steps. Quitting never touches a run."""

    TITLE = "loratui"
    CSS_PATH = "app.tcss"
    DEFAULT_MODE = "photos"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (161, "-wide")]  # noqa: RUF012 - not a ClassVar in Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"step('{mode}')", title, show=False, id=f"app.{mode}", tooltip="Go to this screen")
            for number, (mode, title) in enumerate({"home": "Home", **STEPS}.items())
        ),
        Binding("L", "step('log')", "Log", show=False, id="app.log", tooltip="All that was said since the start"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, id="app.redraw", tooltip="Draw the whole screen again"),
        Binding("ctrl+p", "command_palette", "All", id="app.palette", tooltip="Search all actions, of any screen"),
        Binding("question_mark,f1", "help", "Help", id="app.help", tooltip="The keys of this screen"),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave; what was typed is kept, and a run goes on"),
    ]

    class RunTurned(Message, bubble=False):
        """The run's state has become another one, while no screen followed it."""

        def __init__(self, monitor: "Monitor") -> None:
            super().__init__()
            self.monitor = monitor

    def __init__(
        self,
        project: "Project | None" = None,
        first: str = "photos",
        preferences: Preferences | None = None,
        troubles: Sequence[StatedError] = (),
        driver_class: type[Driver] | None = None,
        terminal: Terminal = PLAIN,
        runs_dir: Path = Path("runs"),
    ) -> None:
        """project: what the screens share; None for one of `runs_dir`, without a folder open.

        first: the mode that comes up.  troubles: with the preferences, to be told once there is a screen.
        """
        self.DEFAULT_MODE = first  # pyright: ignore[reportAttributeAccessIssue] - a class variable in Textual
        # Without it Textual turns colours into RGB greys.
        super().__init__(driver_class, ansi_color=True if "NO_COLOR" in os.environ else None)
        self.runs_dir = project.runs_dir if project else runs_dir
        self._project = project
        self.preferences = preferences or Preferences()
        self.use_pictures(self.preferences.ui.pictures, terminal)
        self._running_loop: asyncio.AbstractEventLoop | None = None
        self._is_drawn = False
        self._told_size: Size | None = None
        self._last_keys: deque[str] = deque(maxlen=LAST_KEYS)
        self._ascii_filter = AsciiFilter()
        self._is_ascii = use_glyphs(self.preferences.ui.glyphs).is_ascii
        for mode in MODES:
            self.add_mode(mode, partial(self._new_screen, mode))
        self._troubles = [*troubles, *self._choose_theme(), *self._choose_keys()]

    def _new_screen(self, mode: str) -> StepScreen:
        """The screen of a mode, with its stylesheet: Textual itself would parse all others anew for it."""
        screen = screen_of(mode)()
        for path in screen.css_path:
            self.stylesheet.read(path)
        self.stylesheet.parse()
        screen._css_update_count = self._css_update_count
        return screen

    @property
    def project(self) -> "Project":
        """What the screens share. Made when it is first asked for: importing it takes longer than to draw Home."""
        if self._project is None:
            from loratui.project import Project

            self._project = Project(self.runs_dir)
        return self._project

    @property
    def has_project(self) -> bool:
        """Whether there is one yet; without it nothing was typed that could be lost."""
        return self._project is not None

    def standings(self) -> Mapping[str, Standing]:
        """How far each step is, by mode."""
        return self._project.standings() if self._project else WITHOUT_PHOTOS

    def _choose_theme(self) -> Iterable[StatedError]:
        wanted = self.preferences.ui.theme
        if wanted not in self.available_themes:
            yield StatedError(f"There is no theme {wanted}.", "Choose one with ctrl+p, then Theme.")
            wanted = DEFAULT_THEME
        if self.no_color or self.console.color_system == "standard":
            wanted = wanted if wanted.startswith("ansi") else ANSI_THEME
        self.theme = wanted

    def _choose_keys(self) -> list[StatedError]:
        if not self.preferences.keys:
            return []
        keymap, problems = checked_keymap(self.preferences.keys)
        self.set_keymap(keymap)
        return problems

    def get_line_filters(self) -> list[LineFilter]:
        return [*super().get_line_filters(), self._ascii_filter] if self._is_ascii else [*super().get_line_filters()]

    def on_mount(self) -> None:
        self._running_loop = asyncio.get_running_loop()
        if not self.is_headless:
            self.set_interval(WATCH_SECONDS, self._watch_terminal)
        self.set_interval(RUN_SECONDS, self._watch_run)
        self.set_interval(KEEP_SECONDS, self._begin_keeping_settings)
        for trouble in self._troubles:
            self.tell(trouble)
        self.screen.call_after_refresh(self._get_ready)

    def _get_ready(self) -> None:
        """After the first paint: import what the other screens need before anybody gets there."""
        self._is_drawn = True
        threading.Thread(target=_import_screens, daemon=True).start()
        if not gc.isenabled():
            gc.freeze()  # modules and photos stay: each search through them for garbage would hold up a key by 100 ms
            gc.enable()

    # What must not be lost

    def hang_up(self) -> None:
        """Save what was typed, at once, and leave. Signals call this at any point of the program."""
        self._keep_edits()
        if _terminal_is_gone():
            os._exit(128 + signal.SIGHUP)  # Textual's output thread died with it: a regular exit can wait for ever
        _leave_within(PATIENCE_SECONDS)
        if self._running_loop:
            self._running_loop.call_soon_threadsafe(self.exit)

    def _watch_terminal(self) -> None:
        """Not every terminal that goes sends SIGHUP, and Textual would read its end for ever."""
        if _terminal_is_gone():
            self.hang_up()

    def _begin_keeping_settings(self) -> None:
        if self._project:
            self._project.begin_keeping_settings()

    def _note_edits(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, StepScreen) and screen.is_mounted:
                screen.note_edit()

    def _keep_edits(self) -> None:
        """Save what was typed, whatever else is broken: what no file takes is said at the end, by the session."""
        with contextlib.suppress(Exception):  # the screen may be what broke
            self._note_edits()
        if self._project is None:
            return
        with contextlib.suppress(StatedError, OSError):
            self._project.keep_captions()
        with contextlib.suppress(StatedError):
            self._project.keep_settings()

    def _fatal_error(self) -> None:
        """Save what was typed and leave a crash report; Textual would print all local variables."""
        from loratui.user.crash import write_crash_report

        error = self._exception or RuntimeError("unknown")
        self._keep_edits()
        try:
            recipe = self._project.recipe.toml() if self._project else ""
            report = write_crash_report(error, self.current_mode, self._last_keys, recipe)
            where = f"The whole of it is in {report}."
        except (OSError, StatedError) as refused:
            where = f"No report could be written: {refused}."
        self.app_log.add(f"Stopped by an error: {error!r}", "error", error)
        self.panic(
            Text(f"loratui stopped: {visible(repr(error))}. What was typed is saved, and runs go on. {visible(where)}")
        )

    async def on_event(self, event: events.Event) -> None:
        """Remember the last keys, without what was typed into a field."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            is_text = event.is_printable and takes_text(self.focused)
            self._last_keys.append("text" if is_text else event.key)
        await super().on_event(event)

    async def action_quit(self) -> None:
        """Save what was typed and leave; ask when it cannot be saved."""
        self._note_edits()
        if self._project is None:
            self.exit()
            return
        try:
            self._project.save_captions()
        except StatedError as error:
            count = len(self._project.unsaved)
            captions = "caption" if count == 1 else "captions"
            self._ask_to_leave(error, f"Leave with {count} {captions} kept in a file, for the next time?")
            return
        try:
            self._project.keep_settings()
        except StatedError as error:
            self._ask_to_leave(error, "Leave without them?")
            return
        self.exit()

    def _ask_to_leave(self, error: StatedError, question: str) -> None:
        from loratui.screens.confirm import ConfirmScreen

        reason = f"{visible(error.problem)} {visible(error.remedy)}"
        self.push_screen(ConfirmScreen(f"{reason}\n\n{question}", "Leave"), lambda yes: self.exit() if yes else None)

    # How the run stands

    def _watch_run(self) -> None:
        """See in the background whether the run's state is another one."""
        monitor = self._project.monitor if self._project else None
        if monitor is None or self.current_mode in FOLLOWERS:
            return
        before = monitor.state

        def look(_: Job) -> bool:
            return monitor.run.status().state != before and monitor.refresh()

        def take(has_turned: bool | None, error: BaseException | None) -> None:
            if has_turned:
                self.post_message(self.RunTurned(monitor))

        run_in_background(look, Job("Looking"), take)

    def on_loratui_app_run_turned(self, message: RunTurned) -> None:
        """Bring the strip up to date, and say of a run that it has ended."""
        monitor = message.monitor
        if monitor is not self.project.monitor:
            return
        if isinstance(self.screen, StepScreen):  # a dialog's comes up again with its screen
            self.screen.draw_standings()
        if not monitor.active:
            severity = "error" if RUN_SIGNS[monitor.state] == "blocked" else "information"
            ended = f"The run {monitor.name}: {monitor.state} at step {monitor.step} of {monitor.total_steps}."
            self.notify(ended, severity=severity, markup=False)

    # Where one is

    async def action_step(self, mode: str) -> None:
        await self.switch_mode(mode)

    def on_step_strip_chosen(self, message: StepStrip.Chosen) -> None:
        self.switch_mode(message.mode)

    def action_redraw(self) -> None:
        self.send(CLEAR)
        self.refresh(layout=True)
        self.screen.refresh()

    def on_resize(self, event: events.Resize) -> None:
        if self._is_drawn or event.size != self._told_size:  # at the start Textual tells the size twice
            self.send(CLEAR)  # a terminal moves and cuts lines as it likes: nothing on it is known any more
        self._told_size = event.size
        if not fits(event.size) and not isinstance(self.screen, TooSmallScreen):
            self.push_screen(TooSmallScreen())

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A cursor that blinks sends bytes for ever."""
        if takes_text(event.widget):
            from textual.widgets import Input, TextArea

            if isinstance(event.widget, Input | TextArea):
                event.widget.cursor_blink = False

    def on_recipe_screen_run_started(self, message: "RecipeScreen.RunStarted") -> None:
        self.project.watch(message.run)
        for warning in message.warnings:
            self.notify(visible(warning), severity="warning", timeout=10, markup=False)
        self.switch_mode("train")

    # What can be done

    def action_help(self) -> None:
        """The keys of the screen, of what stands on it, and of the program."""
        from loratui.screens.help import HelpScreen

        keymap = self._keymap
        widgets = dict.fromkeys(type(widget) for widget in self.screen.query("*"))
        kinds = [type(self.screen), *(kind for kind in widgets if kind.__module__.startswith("loratui"))]
        groups = [(title_of(kind), actions_of(kind, keymap)) for kind in kinds]
        for_all = [StepScreen, *everywhere(type(self))]
        groups.append(("Everywhere", [action for kind in for_all for action in actions_of(kind, keymap)]))
        self.push_screen(HelpScreen([(title, actions) for title, actions in groups if actions]))

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        """Every action that is possible now, then those of the other screens, then Textual's own."""
        listed = set()
        for node, binding, enabled, _ in screen.active_bindings.values():
            if enabled and binding.description and binding.id and binding.action not in listed:
                listed.add(binding.action)
                meaning = escape(binding.tooltip or binding.description)
                yield SystemCommand(binding.description, meaning, partial(self.run_action, binding.action, node))
        for kind in map(screen_of, MODES):
            if kind is not type(screen):
                for action in actions_of(kind):
                    title = f"{title_of(kind)}: {action.title}"
                    yield SystemCommand(title, escape(action.meaning), partial(self._act_on, kind.mode, action))
        yield SystemCommand("Theme", "Change the colours, also for the next time", self.action_change_theme)
        yield SystemCommand("Screenshot", "Save an SVG of this screen", self.deliver_screenshot)

    async def _act_on(self, mode: str, action: KeyedAction) -> None:
        """Do what is an action of another screen, there."""
        await self.switch_mode(mode)
        if not await self.run_action(action.action, self.screen):
            self.notify(f"{action.title} is not possible there now.")

    def search_themes(self) -> None:
        """Choose the colours, for the next time too."""
        self.search_commands([(name, partial(self._use_theme, name)) for name in sorted(self.available_themes)])

    def _use_theme(self, name: str) -> None:
        self.theme = name
        try:
            save_theme(name)
        except StatedError as error:
            self.tell(error)


def _import_screens() -> None:
    for mode in MODES:
        screen_of(mode)


def _leave_within(seconds: float) -> None:
    timer = threading.Timer(seconds, os._exit, (128 + signal.SIGHUP,))
    timer.daemon = True
    timer.start()


def _terminal_is_gone() -> bool:
    try:
        termios.tcgetattr(sys.__stdin__ or 0)
    except termios.error as error:
        return error.args[0] == errno.EIO
    return False
