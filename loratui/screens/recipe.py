"""Recipe: the settings that matter, what they come to, and the lora.toml that holds them."""

from collections.abc import Iterator
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from curation.atomic import write_text
from curation.errors import StatedError
from curation.text import visible
from engine.config import TrainConfig
from engine.plan import plan, resolve
from engine.rundir import RunDir
from engine.start import start_run
from loratui.project import CONFIG_FILE
from loratui.recipe import MAIN_SETTINGS, Setting
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.step import StepScreen
from loratui.widgets.setting_row import SettingRow


class RecipeScreen(StepScreen):
    """The fourth step: each change is checked as it is typed; `w` writes lora.toml, `s` starts the run."""

    mode = "recipe"
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
                with Vertical(classes="panel", id="plan"):
                    yield Static(id="plan-text", markup=False)
                with VerticalScroll(classes="panel", id="toml"):
                    yield Static(id="toml-text", markup=False)

    def on_mount(self) -> None:
        self._written: str | None = None
        self._starting = False
        self._setting: Setting | None = None
        self.query_one("#settings").border_title = "Settings"
        self.query_one("#plan").border_title = "Plan"
        self.query_one("#toml").border_title = str(CONFIG_FILE)
        self.query(SettingRow).first().children[1].focus()

    def draw(self) -> None:
        recipe, dataset = self.project.recipe, self.project.dataset
        for row in self.query(SettingRow):
            row.show(recipe)
        self._draw_meaning()
        problem = recipe.problem()
        if problem:
            text = f"{problem.problem} {problem.remedy}"
        elif dataset is None:
            text = "No photos are open: press 1 and name their folder."
        else:
            text = _plan_text(recipe.compose().config, len(dataset.trainable))
        self.query_one("#plan").set_class(problem is not None, "-wrong")
        self.query_one("#plan-text", Static).update(visible_lines(text))
        self.query_one("#toml-text", Static).update(visible_lines(recipe.toml()))

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
        problem = self.project.recipe.problem()
        if self.project.dataset is None:
            self.notify("No photos are open: press 1 and name their folder.")
        elif problem:
            self.tell(problem)
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
        except StatedError as error:
            self.post_message(self.StartRefused(error))
        else:
            self.post_message(self.RunStarted(run, warnings))

    def on_recipe_screen_run_started(self) -> None:
        self._starting = False

    def on_recipe_screen_start_refused(self, message: StartRefused) -> None:
        self._starting = False
        self.draw()
        self.tell(message.error)


def visible_lines(text: str) -> str:
    """Text of several lines with all other control characters shown."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _plan_text(config: TrainConfig, photos: int) -> str:
    if photos == 0:
        return "Every photo is left out: there is nothing to train on."
    config = resolve(config)
    this = plan(config, photos)
    pivot = "the text side does not train" if this.pivot_step is None else f"pivot at step {this.pivot_step:,}"
    rates = f"learning rate {config.optimizer.learning_rate:g}"
    if this.pivot_step is not None:
        rates += f", text {config.text_encoder.text_encoder_lr:g}"
    return (
        f"{this.total_steps:,} steps, {pivot}\n"
        f"{this.photos} photos, {this.epochs:,} epochs of {this.steps_per_epoch:,} steps\n"
        f"{config.optimizer.optimizer}, {rates}\n"
        f"in a script: loratui train {CONFIG_FILE}"
    )
