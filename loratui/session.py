"""One session of the TUI: from the project it opens on to the words that are said when it is over."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import StatedError
from curation.text import counted, visible
from engine.paths import CONFIG_FILE
from loratui.app import LoratuiApp
from loratui.terminal.driver import QuietDriver
from loratui.terminal.probe import PLAIN, Terminal
from loratui.user.preferences import Preferences, load_preferences

if TYPE_CHECKING:
    from loratui.project import Project


def run_app(
    photos: Path | None, runs_dir: Path, attach: str | None = None, mouse: bool = True, terminal: Terminal = PLAIN
) -> int:
    """Run the TUI and return its exit code.

    photos: the folder to open; without it the one that lora.toml names, if any.  attach: a run to show first.
    mouse: whether it acts, where the user's preferences do not switch it off.  terminal: how it draws pictures.
    Raises EngineError for a run that is not there, CurationError for photos that cannot be opened.  Whatever ends the
    TUI, captions that were typed are saved; then it says how to come back to a run that goes on.
    """
    preferences, troubles = _preferences()
    try:
        photos = photos or _photos_of_config()
    except StatedError as error:
        troubles.append(error)
    project = _project(photos, runs_dir, attach)
    if terminal.kitty:
        os.environ.setdefault("COLORTERM", "truecolor")  # it has them, and ssh does not say so
    app = LoratuiApp(project, _first_mode(project), preferences, troubles, QuietDriver, terminal, runs_dir)
    for number in (signal.SIGHUP, signal.SIGTERM):
        # Not through the event loop, which may be waiting for a terminal that is gone.
        signal.signal(number, lambda *_: app.hang_up())
    try:
        app.run(mouse=mouse and preferences.ui.mouse)
    finally:
        if app.has_project:
            _say_farewell(app.project, _keep_settings(app.project), app.project.keep_captions())
    return app.return_code or 0


def _project(photos: Path | None, runs_dir: Path, attach: str | None) -> "Project | None":
    """What the TUI opens on; None without a folder and a run: then it comes up before that is imported."""
    if not photos and not attach:
        return None
    from engine.rundir import find_run
    from loratui.project import Project

    project = Project(runs_dir)
    if photos:
        project.open(photos)
    if attach:
        project.watch(find_run(runs_dir, attach))
    return project


def _preferences() -> tuple[Preferences, list[StatedError]]:
    """The user's, or the defaults and what is wrong with the user's."""
    try:
        return load_preferences(), []
    except StatedError as error:
        return Preferences(), [error]


def _first_mode(project: "Project | None") -> str:
    if project and project.monitor:
        return "train"
    return "photos" if project and project.dataset else "home"


def _photos_of_config() -> Path | None:
    """The folder of photos that the lora.toml here names; None without one. Raises StatedError for one of no use."""
    if not CONFIG_FILE.exists():
        return None
    from curation.hub import photos_folder
    from loratui.recipe import Recipe

    data = Recipe.from_file(CONFIG_FILE).compose().config.data
    named = data.instance_data_dir or data.dataset_name
    if not named:
        return None
    folder = photos_folder(named, fetch=False)
    if not folder.is_dir():
        raise StatedError(f"The photos that {CONFIG_FILE} names are not here: {named}.", "Press o to open a folder.")
    return folder


def _keep_settings(project: "Project") -> str:
    """Keep those that are not in lora.toml; returns what is to be said of them, if anything."""
    try:
        project.keep_settings()
    except StatedError as error:
        return error.problem
    unwritten = project.recipe.unwritten()
    kept = counted(len(unwritten), "setting")
    return f"Not in {CONFIG_FILE} yet, and kept for the next time: {kept}." if unwritten else ""


def _say_farewell(project: "Project", settings: str, captions: Path | None) -> None:
    lines = [settings] if settings else []
    if captions:
        lines.append(f"Captions that could not be saved are kept in {captions}; the photos' folder offers them again.")
    if project.monitor:
        project.monitor.refresh()
        if project.monitor.active:
            lines.append(
                f"The run {project.monitor.name} goes on. Come back with: loratui attach {project.monitor.run.address}"
            )
    for line in lines:
        sys.stderr.write(visible(line) + "\n")
