"""The folder, and what its photos show: kind, trigger word, class noun, instance prompt and caption template."""

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from curation.errors import StatedError
from curation.text import visible
from loratui.photos.concept import (
    caption_template,
    caption_words,
    default_template,
    instance_prompt,
    keep_template,
    trigger_word,
    with_class_noun,
    with_trigger,
)
from loratui.photos.path_completion import complete
from loratui.project import Project
from loratui.recipe import INSTANCE_PROMPT, KIND, TRIGGER, Setting
from loratui.widgets.setting_row import SettingRow


class FolderSuggester(Suggester):
    """Types a path on as far as the folders on this disk agree; the right arrow takes that."""

    async def get_suggestion(self, value: str) -> str | None:
        return (await asyncio.to_thread(complete, value)).text if value else None


class ConceptPanel(Vertical):
    """Fields of the recipe, and two that are made of them: the class noun lives in the instance prompt."""

    MEANINGS: ClassVar[dict[str, str]] = {
        "folder": "The folder of photos; the right arrow completes its path, enter opens it.",
        "noun": "What the subject is, as the base model knows it, such as woman; it follows the trigger word.",
        "template": "What captions are made of, by batch edits and by a captioning model: "
        "{caption}, {trigger}, {class_noun}.",
    }

    class FolderGiven(Message):
        """The path of a folder was typed and entered."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    class Changed(Message):
        """A setting was changed."""

    class Refused(Message):
        """What was typed cannot be kept."""

        def __init__(self, error: StatedError) -> None:
            super().__init__()
            self.error = error

    def __init__(self, project: Project) -> None:
        super().__init__(id="concept", classes="panel")
        self._project = project
        self._trigger = ""

    def compose(self) -> ComposeResult:
        self.border_title = "Folder and concept"
        with Horizontal(classes="field"):
            yield Label("Folder")
            hint, suggester = "path of a folder of photos, then enter", FolderSuggester(use_cache=False)
            yield Input(placeholder=hint, suggester=suggester, id="folder", compact=True)
        yield SettingRow(KIND, self._project.recipe)
        yield SettingRow(TRIGGER, self._project.recipe)
        with Horizontal(classes="field"):
            yield Label("Class noun")
            yield Input(placeholder="none", id="noun", compact=True)
        yield SettingRow(INSTANCE_PROMPT, self._project.recipe)
        with Horizontal(classes="field"):
            yield Label("Caption template")
            yield Input(id="template", compact=True)
        yield Static(id="meaning", classes="hint", markup=False)

    def draw(self) -> None:
        """Show what the project holds; a field that is being typed in is left alone."""
        dataset, recipe = self._project.dataset, self._project.recipe
        for row in self.query(SettingRow):
            row.disabled = dataset is None
            row.show(recipe)
        for field in ("noun", "template"):
            self.query_one(f"#{field}", Input).disabled = dataset is None
        if dataset is None:
            return
        self._fill("folder", str(dataset.root))
        self._fill("noun", caption_words(recipe).class_noun)
        template, made = caption_template(dataset.root, recipe), default_template(recipe)
        self.query_one("#template", Input).placeholder = visible(made)
        self._fill("template", "" if template == made else template)

    def focus_folder(self) -> None:
        """Let a folder be typed."""
        self.query_one("#folder").focus()

    def focus_concept(self) -> None:
        """Go to the first field after the folder."""
        self.query_one(SettingRow).query("Select, Input").first().focus()

    def note_edit(self) -> None:
        """Keep the template that is being typed; the other fields are settings, which are kept as one types."""
        if self.query_one("#template").has_focus:
            self._keep_template()

    def _fill(self, name: str, text: str) -> None:
        field = self.query_one(f"#{name}", Input)
        if not field.has_focus and field.value != visible(text):
            with field.prevent(Input.Changed):
                field.value = visible(text)

    def on_setting_row_typed(self, event: SettingRow.Typed) -> None:
        event.stop()
        self._project.choose(event.setting, event.text)
        self._changed()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.id == "noun":
            recipe = self._project.recipe
            prompt = with_class_noun(instance_prompt(recipe), trigger_word(recipe), event.value)
            self._project.choose(INSTANCE_PROMPT, prompt)
            self._changed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "folder":
            self.post_message(self.FolderGiven(event.value.strip()))
        elif event.input.id == "template":
            self._keep_template()
        else:
            self.screen.focus_next()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        if event.widget in self._row(TRIGGER).children:
            self._trigger = trigger_word(self._project.recipe)
        self._draw_meaning()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        if event.widget in self._row(TRIGGER).children:
            self._follow_trigger()
        elif event.widget.id == "template":
            self._keep_template()
        self.draw()
        self._draw_meaning()

    def _row(self, setting: Setting) -> SettingRow:
        return next(row for row in self.query(SettingRow) if row.setting == setting)

    def _follow_trigger(self) -> None:
        """The instance prompt has the new trigger word in the old one's place. Not before the word is whole."""
        recipe = self._project.recipe
        before, now = self._trigger, trigger_word(recipe)
        prompt = with_trigger(instance_prompt(recipe), before, now)
        if before and before != now and prompt != instance_prompt(recipe):
            self._project.choose(INSTANCE_PROMPT, prompt)
            self._changed()

    def _keep_template(self) -> None:
        dataset, recipe = self._project.dataset, self._project.recipe
        if dataset is None:
            return
        text = self.query_one("#template", Input).value.strip()
        made = default_template(recipe)
        if (text or made) == visible(caption_template(dataset.root, recipe)):
            return
        try:
            keep_template(dataset.root, text)
        except StatedError as error:
            self.post_message(self.Refused(error))
        except OSError as error:
            self.post_message(
                self.Refused(
                    StatedError(f"The template cannot be kept: {error.strerror}.", "Make the folder writable.")
                )
            )

    def _changed(self) -> None:
        self.draw()
        self._draw_meaning()
        self.post_message(self.Changed())

    def _draw_meaning(self) -> None:
        row = next((row for row in self.query(SettingRow) if row.has_focus_within), None)
        text = ""
        if row:
            problem = self._project.recipe.problems.get(row.setting)
            text = problem.problem if problem else row.setting.meaning
        elif focused := next((field for field in self.query(Input) if field.has_focus), None):
            text = self.MEANINGS.get(focused.id or "", "")
        meaning = self.query_one("#meaning", Static)
        if str(meaning.content) != visible(text):
            meaning.update(visible(text))
