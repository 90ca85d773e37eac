"""Recipe: the settings that matter, what they come to, and the lora.toml that holds them."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from curation.atomic import write_text
from curation.errors import StatedError
from curation.text import visible
from engine.config import TrainConfig
from engine.plan import plan, resolve
from engine.preflight import Examination, examine
from engine.rundir import RunDir
from engine.start import start_run
from loratui.examined import machine_rows, plan_rows
from loratui.project import CONFIG_FILE
from loratui.recipe import MAIN_SETTINGS, Setting
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.step import StepScreen
from loratui.widgets.setting_row import SettingRow

TYPING_SECONDS = 0.6  # without a key, before photos, disk and memory are looked at again


class RecipeScreen(StepScreen):
    """The fourth step: each change is checked as it is typed; `w` writes lora.toml, `s` starts the run.

    What settings alone tell is drawn at once; photos, disk, model and GPU memory are examined in the background.
    """

    mode = "recipe"
    CSS_PATH = "recipe.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "write", "Write lora.toml", tooltip="Write lora.toml into the current folder"),
        Binding("s", "start", "Start the run", tooltip="Check everything once more, and start training"),
    ]

    class RunStarted(Message):
        """A worker was launched for a new run."""

        def __init__(self, run: RunDir, warnings: tuple[str, ...]) -> None:
            super().__init__()
            self.run = run
            self.warnings = warnings

    class Examined(Message, bubble=False):
        """The checks of a recipe are done."""

        def __init__(self, found: Examination, toml: str) -> None:
            super().__init__()
            self.found = found
            self.toml = toml

    class StartRefused(Message, bubble=False):
        """The run could not be started."""

        def __init__(self, error: StatedError) -> None:
            super().__init__()
            self.error = error

    def compose_body(self) -> Iterator:
        with Horizontal(classes="panes"):
            with Vertical(classes="panel", id="settings"):
                with VerticalScroll(can_focus=False):
                    for setting in MAIN_SETTINGS:
                        yield SettingRow(setting, self.project.recipe)
                yield Static(id="meaning", classes="hint", markup=False)
            with Vertical():
                with VerticalScroll(classes="panel", id="plan"):
                    yield Static(id="plan-text", markup=False)
                with VerticalScroll(classes="panel", id="toml"):
                    yield Static(id="toml-text", markup=False)

    def on_mount(self) -> None:
        self._written: str | None = None
        self._starting = False
        self._setting: Setting | None = None
        self._found: Examination | None = None
        self._examined = ""
        self._typing: Timer | None = None
        self.query_one("#settings").border_title = "Settings"
        self.query_one("#plan").border_title = "Plan"
        self.query_one("#toml").border_title = str(CONFIG_FILE)
        self.query(SettingRow).first().children[1].focus()

    def on_screen_resume(self) -> None:
        self._examined = ""  # photos or captions may be others by now
        super().on_screen_resume()

    def draw(self) -> None:
        recipe, dataset = self.project.recipe, self.project.dataset
        for row in self.query(SettingRow):
            row.show(recipe)
        self._draw_meaning()
        toml = recipe.toml()
        problems = recipe.all_problems()
        found = self._found if self._examined == toml else None
        if problems:
            text = _told(problems)
        elif dataset is None:
            text = "No photos are open: press 1 and name their folder."
        elif not dataset.trainable:
            text = "Every photo is left out: there is nothing to train on."
        else:
            text = _plan_text(recipe.compose().config, len(dataset.trainable), found)
            self._examine_soon()
        self.query_one("#plan").set_class(bool(problems or (found and found.problems)), "-wrong")
        self.query_one("#plan-text", Static).update(visible_lines(text))
        self.query_one("#toml-text", Static).update(visible_lines(toml))

    def _examine_soon(self) -> None:
        """Examine the recipe when nothing has been typed for a moment, unless it was examined as it is."""
        if self._typing:
            self._typing.stop()
        if self._examined != self.project.recipe.toml():
            self._typing = self.set_timer(TYPING_SECONDS, self._begin_to_examine)

    def _begin_to_examine(self) -> None:
        recipe = self.project.recipe
        self._examine(recipe.compose().config, recipe.toml())

    @work(thread=True, exclusive=True, group="examine", exit_on_error=False)
    def _examine(self, config: TrainConfig, toml: str) -> None:
        try:
            found = examine(config, self.project.runs_dir)
        except (StatedError, OSError) as error:  # e.g. a folder of class images that may not be read
            self.app.call_from_thread(self.tell, _stated(error))
        else:
            self.post_message(self.Examined(found, toml))

    def on_recipe_screen_examined(self, message: Examined) -> None:
        self._found, self._examined = message.found, message.toml
        if not self._starting:
            self.draw()

    def on_setting_row_typed(self, event: SettingRow.Typed) -> None:
        self.project.choose(event.setting, event.text)
        self.draw()
        self.draw_standings()

    def on_descendant_focus(self) -> None:
        row = next((row for row in self.query(SettingRow) if row.has_focus_within), None)
        self._setting = row.setting if row else None
        self._draw_meaning()

    def _draw_meaning(self) -> None:
        if self._setting is None:
            return
        problem = self.project.recipe.problems.get(self._setting)
        hint = self.query_one("#meaning", Static)
        hint.set_class(problem is not None, "-wrong")
        hint.update(visible(problem.problem if problem else f"{self._setting.key}: {self._setting.meaning}"))

    def action_write(self) -> None:
        """Write lora.toml; ask before another file than the one written here is replaced."""
        try:
            there = CONFIG_FILE.read_text("utf-8") if CONFIG_FILE.exists() else None
        except (OSError, UnicodeDecodeError):
            there = ""
        if there in (None, self._written, self.project.recipe.toml()):
            self._write()
        else:
            question = f"There is a {CONFIG_FILE} here. Replace it?\n\nSettings it has are kept if it was about these \
photos; its comments are not."
            self.app.push_screen(ConfirmScreen(question, "Replace"), lambda yes: self._write() if yes else None)

    def _write(self) -> None:
        text = self.project.recipe.toml()
        try:
            write_text(CONFIG_FILE, text)
        except OSError as error:
            self.notify(f"{CONFIG_FILE} cannot be written: {error.strerror}.", severity="error", markup=False)
            return
        self._written = text
        self.notify(f"Wrote {CONFIG_FILE.absolute()}", markup=False)

    def action_start(self) -> None:
        """Start the run, unless something is wrong; ask when the checks found errors."""
        problems = self.project.recipe.all_problems()
        if self.project.dataset is None:
            self.notify("No photos are open: press 1 and name their folder.")
        elif problems:
            self.tell(problems[0])
        elif self._starting:
            self.notify("The run is being started.")
        elif self.project.report and self.project.report.verdict == "blocked":
            question = "The checks found errors in the photos (screen 2). Train on them all the same?"
            self.app.push_screen(ConfirmScreen(question, "Train"), lambda yes: self._begin() if yes else None)
        else:
            self._begin()

    def _begin(self) -> None:
        self._starting = True
        self.query_one("#plan-text", Static).update("Checking photos, captions and model, then starting the worker ...")
        self._start(self.project.recipe.compose().config)

    @work(thread=True, exclusive=True, group="start", exit_on_error=False)
    def _start(self, config: TrainConfig) -> None:
        try:
            run, warnings = start_run(config, self.project.runs_dir)
        except (StatedError, OSError) as error:
            self.post_message(self.StartRefused(_stated(error)))
        else:
            self.post_message(self.RunStarted(run, warnings))

    def on_recipe_screen_run_started(self) -> None:
        self._starting = False

    def on_recipe_screen_start_refused(self, message: StartRefused) -> None:
        self._starting = False
        self.draw()
        self.tell(message.error)


def _stated(error: StatedError | OSError) -> StatedError:
    if isinstance(error, StatedError):
        return error
    return StatedError(f"The system refused: {error.strerror or error}.", "Check the paths in lora.toml.")


def visible_lines(text: str) -> str:
    """Text of several lines with all other control characters shown."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _plan_text(config: TrainConfig, photos: int, found: Examination | None) -> str:
    """The plan, and what the examination found: problems first, then what is good to know."""
    config = resolve(config)
    arithmetic = [text for _, text in plan_rows(config, plan(config, photos))]
    if found is None:
        return "\n".join([*arithmetic, "Looking at photos, model, disk and GPU memory ..."])
    told = [_told(found.problems)] if found.problems else []
    machine = [f"{label}: {text}" for label, text in machine_rows(found)]
    return "\n".join([*told, *arithmetic, *machine, *(f"! {warning}" for warning in found.warnings)])


def _told(problems: Iterable[StatedError]) -> str:
    return "\n".join(f"\N{BALLOT X} {each.problem} {each.remedy}" for each in problems)
