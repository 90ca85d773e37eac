"""Which model captions which photos, before it begins."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from curation.captions import Context, Template
from curation.dataset import Dataset
from curation.errors import StatedError
from curation.text import counted, visible
from engine.extras import require
from loratui.captions.auto_caption import AutoCaption, captioners, is_on_disk


class AutoCaptionScreen(ModalScreen[AutoCaption | None]):
    """Dismisses with what is wanted, or None.

    scopes: which photos, in words, with their names and whether captions that are there are replaced.
    """

    CSS_PATH = "auto_caption.tcss"
    AUTO_FOCUS = "#model"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", id="auto_caption.leave", tooltip="Back, without a model"),
    ]

    def __init__(
        self, dataset: Dataset, template: str, words: Context, scopes: Mapping[str, tuple[Sequence[str], bool]]
    ) -> None:
        super().__init__()
        self._dataset, self._template, self._words, self._scopes = dataset, template, words, scopes

    def compose(self) -> ComposeResult:
        models = [
            (Text(f"{name} ({'on this disk' if is_on_disk(name) else 'missing'})"), name) for name in captioners()
        ]
        scopes = [(Text(f"{scope} ({len(names)})"), scope) for scope, (names, _) in self._scopes.items()]
        with Vertical(classes="dialog"):
            with Horizontal(classes="field"):
                yield Label("model")
                yield Select(models, value=models[0][1], allow_blank=False, compact=True, id="model")
            with Horizontal(classes="field"):
                yield Label("or another")
                yield Input(placeholder="a model of the hub, or its folder", compact=True, id="other")
            with Horizontal(classes="field"):
                yield Label("template")
                yield Input(self._template, compact=True, id="template")
            with Horizontal(classes="field"):
                yield Label("for")
                yield Select(scopes, value=next(iter(self._scopes)), allow_blank=False, compact=True, id="scope")
            yield Static(id="facts", markup=False)
            yield Static(id="refusal", markup=False)
            with Horizontal():
                yield Button("Cancel (esc)", id="cancel", compact=True)
                yield Button("Caption", id="act", compact=True)

    def on_mount(self) -> None:
        self.query_one(".dialog").border_title = "Captions by a model"
        self._draw()

    @property
    def _model(self) -> str:
        return self.query_one("#other", Input).value.strip() or str(self.query_one("#model", Select).value)

    def _draw(self) -> None:
        refused = self._refusal()
        names, overwrite = self._scopes[str(self.query_one("#scope", Select).value)]
        facts = [f"{counted(len(names), 'photo')}{', over the captions that are there' if overwrite else ''}."]
        if not is_on_disk(self._model):
            facts += ["It is not on this disk, and is fetched when it begins, or before that with:"]
            facts += [f"hf download {self._model}"]
        facts.append("What you write meanwhile stays. It goes on when you leave the program.")
        self.query_one("#facts", Static).update("\n".join(map(visible, facts)))
        self.query_one("#refusal", Static).update(visible(refused or ""))
        self.query_one("#act", Button).disabled = refused is not None or not names

    def _refusal(self) -> str | None:
        """Why it cannot begin."""
        template = self.query_one("#template", Input).value
        try:
            require("train", "Captioning")
            form = Template(template)
            if form.apply("", self._words) == form.apply("a", self._words):
                return 'The template must say where the caption goes: "a photo of {trigger}, {caption}".'
        except StatedError as error:
            return f"{error.problem} {error.remedy}"
        return None

    def on_input_changed(self) -> None:
        self._draw()

    def on_input_submitted(self) -> None:
        self.focus_next()

    def on_select_changed(self) -> None:
        self._draw()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id != "act":
            self.dismiss(None)
            return
        names, overwrite = self._scopes[str(self.query_one("#scope", Select).value)]
        template = self.query_one("#template", Input).value
        self.dismiss(AutoCaption(self._dataset, self._model, template, self._words, names, overwrite))

    def action_leave(self) -> None:
        self.dismiss(None)
