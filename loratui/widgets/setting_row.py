"""One setting of lora.toml on a screen: its label and a field to type or choose it in."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, Select

from loratui.recipe import Recipe, Setting


class SettingRow(Horizontal):
    """Label and field. An empty field shows the value in effect in grey; typing reports each change."""

    class Typed(Message):
        """The text of a field was changed by the user."""

        def __init__(self, setting: Setting, text: str) -> None:
            super().__init__()
            self.setting = setting
            self.text = text

    def __init__(self, setting: Setting, recipe: Recipe) -> None:
        super().__init__()
        self.setting = setting
        self._shown = recipe.value_text(setting)

    def compose(self) -> ComposeResult:
        yield Label(self.setting.label, markup=False)
        if self.setting.choices:
            choices = [(Content(choice), choice) for choice in self.setting.choices]
            yield Select(choices, allow_blank=False, value=self._shown, compact=True)
        else:
            yield Input(compact=True)

    def show(self, recipe: Recipe) -> None:
        """Show what the recipe holds for this setting, and whether the field as typed has a problem."""
        if self.setting.choices:
            self._shown = recipe.value_text(self.setting)
            self.query_one(Select).value = self._shown
            return
        field = self.query_one(Input)
        field.placeholder = recipe.value_text(self.setting) or "unset"
        wrong = self.setting in recipe.problems
        field.set_class(wrong, "-wrong")
        if not wrong and not field.has_focus and field.value != recipe.text(self.setting):
            with field.prevent(Input.Changed):
                field.value = recipe.text(self.setting)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self.setting, event.value))

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        if event.value != self._shown:  # a Select also tells of values that the program gave it
            self._shown = str(event.value)
            self.post_message(self.Typed(self.setting, self._shown))
