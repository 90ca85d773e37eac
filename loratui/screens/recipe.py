"""Recipe: every setting with its meaning, what they come to, and the lora.toml and command line that hold them."""

from collections.abc import Iterator
from contextlib import suppress
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Label, Static

from curation.errors import StatedError
from curation.text import visible
from engine.advice import guide_says, presets_that_set
from engine.errors import SeveralProblems
from engine.launcher import is_worked_on
from engine.paths import CONFIG_FILE
from engine.plan import plan, resolve
from engine.rundir import RunDir, list_runs
from engine.text.sample_prompts import sample_prompts
from loratui.jobs import Job
from loratui.recipe import KIND, Setting, all_settings, as_flag
from loratui.runs.overview import measured_pace
from loratui.screens.confirm import ConfirmScreen
from loratui.screens.presets import PresetsScreen
from loratui.screens.recipe_plan import Examined, plan_text, told
from loratui.screens.recipe_writing import RecipeWriting
from loratui.screens.sample_prompts import SamplePromptsScreen
from loratui.widgets.row_list import Cell, Column, RowList

TYPING_SECONDS = 0.6  # without a key, before photos, disk and memory are looked at again
SAMPLE_PROMPT = Setting("sample", "validation_prompt", "Sample prompt")
MORE_SAMPLE_PROMPTS = Setting("sample", "validation_prompts", "validation_prompts")
STEPS = Setting("run", "max_train_steps", "Steps")
BY_NAME = {setting.name: setting for setting in all_settings()}


class RecipeScreen(RecipeWriting):
    """The fourth step: each change is checked as it is typed; `w` writes lora.toml, `s` starts the run.

    What settings alone tell is drawn at once; photos, disk, model and GPU memory are examined in the background.
    """

    mode = "recipe"
    CSS_PATH = "recipe.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="recipe.search", tooltip="Find a setting by its name or its meaning"),
        Binding("p", "presets", "Presets", id="recipe.presets", tooltip="The kinds side by side, and their numbers"),
        Binding("m", "prompts", "Samples", id="recipe.prompts", tooltip="Choose the prompts of the sample pictures"),
        Binding("w", "write", "Write", id="recipe.write", tooltip="Write lora.toml into the current folder"),
        Binding("s", "start", "Start", id="recipe.start", tooltip="Check everything once more, and start training"),
        Binding(
            "e", "edit", "Edit", id="recipe.edit", show=False, tooltip="Type the value, also with enter; esc is done"
        ),
        Binding("right,l", "turn(1)", "Next choice", id="recipe.next", show=False, tooltip="The next of a few values"),
        Binding("left,h", "turn(-1)", "Last choice", id="recipe.last", show=False, tooltip="The one before it"),
        Binding("d", "reset", "Default", id="recipe.reset", show=False, tooltip="Back to the preset's or the default"),
        Binding("D", "drop", "Drop unwritten", id="recipe.drop", show=False, tooltip="Back to what lora.toml holds"),
        Binding("v", "view", "Plan/settings", id="recipe.view", show=False, tooltip="More room for plan and lora.toml"),
        Binding("y", "copy_toml", "Copy", id="recipe.copy", show=False, tooltip="Copy the lora.toml that is shown"),
        Binding("Y", "copy_command", "Copy command", id="recipe.copy_command", show=False, tooltip="Copy it as flags"),
    ]

    class RunStarted(Message):
        """A worker was launched for a new run."""

        def __init__(self, run: RunDir, warnings: tuple[str, ...]) -> None:
            super().__init__()
            self.run = run
            self.warnings = warnings

    def compose_body(self) -> Iterator:
        with Horizontal(classes="panes"):
            with Vertical(classes="panel", id="settings"):
                yield Input(placeholder="/ finds a setting by name or meaning", compact=True, id="search")
                columns = (Column("Setting", 24), Column("Value"), Column("From", 9, least=50))
                yield RowList(columns, id="rows")
                with Horizontal(classes="field", id="value-field"):
                    yield Label(id="value-label", markup=False)
                    yield Input(compact=True, id="value")
                yield Static(id="meaning", classes="hint", markup=False)
            with Vertical(id="outcome"):
                with VerticalScroll(classes="panel", id="plan"):
                    yield Static(id="plan-text", markup=False)
                with VerticalScroll(classes="panel", id="toml"):
                    yield Static(id="toml-text", markup=False)
                with VerticalScroll(classes="panel", id="command"):
                    yield Static(id="command-text", markup=False)

    def on_mount(self) -> None:
        self._starting = False
        self._found: Examined | None = None
        self._examined = ""
        self._examining: Job | None = None
        self._typing: Timer | None = None
        titles = {"plan": "Plan", "toml": str(CONFIG_FILE), "command": "The same as a command"}
        for id, title in titles.items():
            self.query_one(f"#{id}").border_title = title
        self._show_settings()
        self._rows.focus()

    @property
    def _rows(self) -> RowList:
        return self.query_one("#rows", RowList)

    @property
    def _setting(self) -> Setting | None:
        """The one under the cursor."""
        return BY_NAME.get(self._rows.key or "")

    def on_screen_resume(self) -> None:
        self._examined = ""  # photos or captions may be others by now
        self.follow_config()
        super().on_screen_resume()

    def draw(self) -> None:
        self._rows.redraw(*self._rows.keys)
        self._draw_value()
        self.draw_unwritten()
        self._draw_outcome()

    # The settings

    def _show_settings(self) -> None:
        """The settings that the search finds, by their names first; all, those that matter first, without one."""
        words = self.query_one("#search", Input).value.lower().split()
        found = [name for name, setting in BY_NAME.items() if all(word in _described(setting) for word in words)]
        found.sort(key=lambda name: not all(word in _named(BY_NAME[name]) for word in words))
        self._rows.show(found, self._cells)
        if words:
            self._rows.go_to(0)
        self.query_one("#settings").border_subtitle = f"{len(found)} of {len(BY_NAME)}"
        self._draw_value()

    def _cells(self, name: str) -> tuple[Cell, Cell, Cell]:
        setting, recipe = BY_NAME[name], self.project.recipe
        if setting in recipe.problems:
            return setting.label, f"\N{BALLOT X} {recipe.text(setting)}", "mend"
        value = self._in_effect(setting)
        origin = recipe.origin(setting)
        return setting.label, Text(value, "bold") if origin == "yours" else value, origin

    def _in_effect(self, setting: Setting) -> str:
        """The value, as one would type it; of steps that nobody set, how many the photos make."""
        recipe, dataset = self.project.recipe, self.project.dataset
        value = recipe.value_text(setting) or "unset"
        photos = len(dataset.trainable) if dataset and setting == STEPS and value == "unset" else 0
        if photos and not recipe.all_problems():
            return f"{plan(resolve(recipe.compose().config), photos).total_steps} by photos"
        return value

    def on_row_list_highlighted(self) -> None:
        self._draw_value()

    def on_row_list_chosen(self) -> None:
        self.action_edit()

    def _draw_value(self) -> None:
        """The field and the words about the setting under the cursor."""
        setting, recipe, field = self._setting, self.project.recipe, self.query_one("#value", Input)
        field.disabled = setting is None
        if setting is None:
            self._say_meaning("No setting has these words in its name or meaning: esc, then / and others.")
            return
        self.query_one("#value-label", Label).update(setting.key)
        if not field.has_focus:
            with field.prevent(Input.Changed):
                field.value = recipe.text(setting)
        field.placeholder = self._in_effect(setting)
        problem = recipe.problems.get(setting)
        self._say_meaning(problem.problem if problem else _advice(setting), wrong=problem is not None)

    def _say_meaning(self, text: str, wrong: bool = False) -> None:
        hint = self.query_one("#meaning", Static)
        hint.set_class(wrong, "-wrong")
        hint.update(visible_lines(text))

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "search":
            self._show_settings()
        elif self._setting and event.input.has_focus:
            self._choose(self._setting, event.value)

    def on_input_submitted(self) -> None:
        self._rows.focus()

    def _choose(self, setting: Setting, text: str) -> None:
        self.project.choose(setting, text)
        self._rows.redraw(*(self._rows.keys if setting == KIND else [setting.name]))
        self._draw_value()
        self.draw_unwritten()
        self._draw_outcome()
        self.draw_standings()

    def action_search(self) -> None:
        self.query_one("#search").focus()

    def action_edit(self) -> None:
        """Type the value of the setting under the cursor; of a few values take the next one."""
        if self._setting and self._setting.choices:
            self.action_turn(1)
        elif self._setting:
            self.query_one("#value").focus()

    def action_turn(self, by: int) -> None:
        """Take the next value, or the one before, of a setting that has few."""
        setting = self._setting
        if setting is None or not setting.choices:
            return
        value = self.project.recipe.value_text(setting) or "none"
        place = setting.choices.index(value) if value in setting.choices else 0
        self._choose(setting, setting.choices[(place + by) % len(setting.choices)])

    def action_reset(self) -> None:
        """Back to the preset's value, or the default."""
        if self._setting:
            self._choose(self._setting, "")

    def action_leave_field(self) -> None:
        """Back to the list; out of the search, to all settings."""
        search = self.query_one("#search", Input)
        if search.has_focus:
            search.clear()
        self._rows.focus()

    def action_presets(self) -> None:
        kind = self.project.recipe.compose().config.concept.kind
        self.app.push_screen(PresetsScreen(kind), lambda kind: self._choose(KIND, kind) if kind else None)

    def action_prompts(self) -> None:
        """Offer prompts that suit the kind, besides those that were chosen."""
        config = self.project.recipe.compose().config
        chosen = [config.sample.validation_prompt, *config.sample.validation_prompts]
        unset = config.sample.model_copy(update={"validation_prompt": None, "validation_prompts": []})
        offered = sample_prompts(config.model_copy(update={"sample": unset}))
        taken = [prompt for prompt in chosen if prompt]
        self.app.push_screen(SamplePromptsScreen(offered, taken), self._take_prompts)

    def _take_prompts(self, prompts: list[str] | None) -> None:
        if prompts is not None:
            self._choose(SAMPLE_PROMPT, prompts[0] if prompts else "")
            self._choose(MORE_SAMPLE_PROMPTS, as_flag(prompts[1:]) if prompts[1:] else "")

    # What they come to

    def _draw_outcome(self) -> None:
        recipe, dataset = self.project.recipe, self.project.dataset
        toml = recipe.toml()
        problems = recipe.all_problems()
        found = self._found if self._examined == toml else None
        if problems:
            text = told(problems)
        elif dataset is None:
            text = "No photos are open: press 1 and name their folder."
        elif not dataset.trainable:
            text = "Every photo is left out: there is nothing to train on."
        else:
            config = recipe.compose().config
            text = plan_text(config, len(dataset.trainable), found)
            self._examine_soon()
        if self.project.config_has_changed:
            text = f"! Another program changed {CONFIG_FILE} since settings were typed here: w asks first.\n{text}"
        self.query_one("#plan").set_class(bool(problems or (found and found.examination.problems)), "-wrong")
        self._update("plan-text", text)
        self._update("toml-text", toml)
        self._update("command-text", recipe.command_line())

    def _update(self, id: str, text: str) -> None:
        shown, text = self.query_one(f"#{id}", Static), visible_lines(text)
        if shown.content != text:
            shown.update(text)

    def _examine_soon(self) -> None:
        """Examine the recipe when nothing has been typed for a moment, unless it was examined as it is."""
        if self._typing:
            self._typing.stop()
        if self._examined != self.project.recipe.toml():
            self._typing = self.set_timer(TYPING_SECONDS, self._examine)

    def _examine(self) -> None:
        recipe, runs_dir = self.project.recipe, self.project.runs_dir
        config, toml = recipe.compose().config, recipe.toml()
        if self._examining:
            self._examining.cancel()

        def look(_: Job) -> Examined | StatedError:
            from engine.preflight import examine  # 80 ms, with numpy

            try:
                found = examine(config, runs_dir)
                return Examined(found, measured_pace(found.config, runs_dir))
            except (StatedError, OSError) as error:  # e.g. a folder of class images that may not be read
                return _stated(error)

        def take(found: Examined | StatedError) -> None:
            if isinstance(found, StatedError):
                self.tell(found)
                return
            self._found, self._examined = found, toml
            self.project.is_hindered = bool(found.examination.problems)
            self.draw_standings()
            if not self._starting:
                self._draw_outcome()

        self._examining = self.start_job("Looking at photos, model, disk and memory", look, take)

    def action_view(self) -> None:
        """Give the room of the settings to what they come to, or back."""
        self.toggle_class("-outcome")
        self.query_one("#toml" if self.has_class("-outcome") else "#rows").focus()

    def action_copy_toml(self) -> None:
        self.app.copy_to_clipboard(self.project.recipe.toml())

    def action_copy_command(self) -> None:
        self.app.copy_to_clipboard(self.project.recipe.command_line())

    # Starting

    def action_start(self) -> None:
        """Start the run, unless something is wrong; ask where something speaks against it."""
        problems = self.project.recipe.all_problems()
        if self.project.dataset is None:
            self.notify("No photos are open: press 1 and name their folder.")
        elif problems:
            self.tell(SeveralProblems(problems))
        elif self._starting:
            self.notify("The run is being started.")
        elif doubts := list(self._doubts()):
            question = visible_lines("\n".join([*doubts, "", "Start training all the same?"]))
            self.app.push_screen(ConfirmScreen(question, "Train"), lambda yes: self._begin() if yes else None)
        else:
            self._begin()

    def _doubts(self) -> Iterator[str]:
        """What speaks against a start, though it can be done."""
        if self.project.report and self.project.report.verdict == "blocked":
            yield "The checks found errors in the photos (screen 2)."
        training = []
        with suppress(OSError):  # of a folder that cannot be read the start itself tells
            training = [run.name for run in list_runs(self.project.runs_dir) if is_worked_on(run)]
        if training:
            yield f"{training[0]} is training (screen 5): a second run beside it needs room on the GPU."

    def _begin(self) -> None:
        self._starting = True
        config, runs_dir = self.project.recipe.compose().config, self.project.runs_dir

        def start(_: Job) -> tuple[RunDir, tuple[str, ...]] | StatedError:
            from engine.start import start_run  # 80 ms, with numpy

            try:
                return start_run(config, runs_dir)
            except (StatedError, OSError) as error:
                return _stated(error)

        def take(started: tuple[RunDir, tuple[str, ...]] | StatedError) -> None:
            self._starting = False
            if isinstance(started, StatedError):
                self.draw()
                self.tell(started)
            else:
                self.post_message(self.RunStarted(*started))

        self.start_job("Checking everything, then starting the worker", start, take)


def _named(setting: Setting) -> str:
    return f"{setting.label} {setting.name}".lower()


def _described(setting: Setting) -> str:
    return f"{_named(setting)} {setting.meaning}".lower()


def _advice(setting: Setting) -> str:
    """What the setting means, its default, what presets make of it, and what the guide says."""
    lines = [setting.meaning]
    if setting.choices:
        lines[0] += f" ({' | '.join(setting.choices)}; left and right change it)"
    presets = ", ".join(f"{kind} {value}" for kind, (value, _) in presets_that_set(setting.name).items())
    lines.append(f"Default {setting.default}" + (f"; presets: {presets}" if presets else "") + ".")
    if said := guide_says(setting.name):
        lines.append(f"The guide, {said}")
    return "\n".join(lines)


def _stated(error: StatedError | OSError) -> StatedError:
    if isinstance(error, StatedError):
        return error
    return StatedError(f"The system refused: {error.strerror or error}.", "Check the paths in lora.toml.")


def visible_lines(text: str) -> str:
    """Text of several lines with all other control characters shown."""
    return "\n".join(visible(line) for line in text.split("\n"))
