"""Pictures to ask for: the form, the picture as it comes, and all that were painted with the run."""

import random
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from rich.highlighter import Highlighter
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Label, Select, Static

from curation.text import visible
from curation.triggers import trigger_pattern
from engine.config import TrainConfig
from engine.painting.pictures import Picture, parameters, pictures_of
from engine.painting.request import Request, default_request, problem_of, read_request
from engine.rundir import RunDir
from engine.training.manifest import checkpoint_folders
from loratui.screens.large_picture import LargePicture, Shown
from loratui.terminal.glyphs import glyphs
from loratui.widgets.gallery import Gallery, Tile
from loratui.widgets.picture import PictureView

FIELDS = {
    "prompt": "Prompt",
    "negative_prompt": "Without",
    "seed": "Seed",
    "guidance_scale": "Scale",
    "num_inference_steps": "Steps",
    "size": "Size",
    "lora_scale": "LoRA",
}
"""Each field of a Request, and its label."""
TEXTS = ("prompt", "negative_prompt")
EXPORTED = "exported files"
PREVIEW_SECONDS = 1.0
"""Between two previews: each sends a picture over the line."""
MOST_RANDOM_SEED = 2**32 - 1  # what other tools take, too


class TriggerHighlighter(Highlighter):
    """Makes trigger words stand out in a prompt."""

    def __init__(self) -> None:
        self.words: Sequence[str] = ()

    def highlight(self, text: Text) -> None:
        for match in trigger_pattern(self.words).finditer(text.plain):
            text.stylize("bold underline", *match.span())


class GeneratePane(Vertical):
    """What is typed is checked at once; the screen has it painted."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._run: RunDir | None = None
        self._config = TrainConfig()
        self._tokens: Sequence[str] = ()
        self._pictures: dict[str, Picture] = {}
        self._warning = ""
        self._previewed = 0.0
        self._steps_done = ""
        self._highlighter = TriggerHighlighter()

    def compose(self) -> ComposeResult:
        with Vertical(id="form", classes="panel"):
            for field in TEXTS:
                with Horizontal(classes="line"):
                    yield Label(FIELDS[field])
                    yield Input(id=field, compact=True, highlighter=self._highlighter)
            with Horizontal(classes="line"):
                for field in [field for field in FIELDS if field not in TEXTS]:
                    yield Label(FIELDS[field])
                    yield Input(id=field, compact=True)
            with Horizontal(classes="line"):
                yield Label("From")
                yield Select[str]([], id="source", compact=True, prompt=EXPORTED)
            yield Static(id="advice", classes="hint", markup=False)
        with Horizontal(id="easel"):
            with Vertical(id="painting", classes="panel"):
                yield PictureView()
            with Vertical(id="painted", classes="panel"):
                yield Gallery()
                yield Static(id="settings", classes="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#form").border_title = "Generate"
        self.query_one("#painting").border_title = "Picture"
        self.query_one("#painted").border_title = "Painted"

    def show(self, run: RunDir, config: TrainConfig, warning: str) -> None:
        """Turn to a run, with its own sample's settings, unless they are there.  warning: why not to paint now."""
        self._warning = warning
        is_new = self._run is None or self._run.path != run.path
        self._run, self._config = run, config
        self._draw_sources()
        if is_new:
            self._highlighter.words = self._config.concept.token_abstraction
            self.fill(default_request(config))
            self.query_one(PictureView).show(None)
        self.draw_pictures()
        self._draw_advice()

    def take_focus(self) -> None:
        self.query_one("#prompt").focus()

    # The form

    @property
    def texts(self) -> dict[str, str]:
        """What is typed, field by field."""
        return {field: self.query_one(f"#{field}", Input).value for field in FIELDS}

    @property
    def request(self) -> Request:
        """What is asked for. Raises EngineError for what cannot be used."""
        source = self.query_one("#source", Select).value
        return read_request(self.texts, int(source) if isinstance(source, str) else None)

    @property
    def command(self) -> str:
        """The same as a command line. Raises EngineError."""
        request = self.request
        words = ["loratui", "generate", str(self._run.address if self._run else ""), "--prompt", request.prompt]
        words += ["--negative-prompt", request.negative_prompt] if request.negative_prompt else []
        words += ["--seed", str(request.seed), "--guidance-scale", f"{request.guidance_scale:g}"]
        words += ["--steps", str(request.num_inference_steps), "--size", str(request.size), "--num-images", "1"]
        words += ["--lora-scale", f"{request.lora_scale:g}"] if request.lora_scale != 1 else []
        words += ["--checkpoint", str(request.step)] if request.step is not None else []
        return shlex.join(words)

    def fill(self, request: Request) -> None:
        """Write a request into the fields."""
        for field in FIELDS:
            value = getattr(request, field)
            self.query_one(f"#{field}", Input).value = value if isinstance(value, str) else f"{value}"
        source = self.query_one("#source", Select)
        known = {f"{int(folder.name)}" for folder in checkpoint_folders(self._run)} if self._run else set()
        if str(request.step) in known:
            source.value = str(request.step)
        else:
            source.clear()

    def next_seed(self) -> None:
        """The seed after the one in the field."""
        field = self.query_one("#seed", Input)
        if problem_of("seed", field.value) is None:
            field.value = str(int(field.value) + 1)

    def draw_seed(self) -> None:
        """Any other seed."""
        self.query_one("#seed", Input).value = str(random.randint(0, MOST_RANDOM_SEED))

    def on_input_changed(self) -> None:
        self._draw_advice()

    def _draw_sources(self) -> None:
        steps = [int(folder.name) for folder in checkpoint_folders(self._run)] if self._run else []
        source = self.query_one("#source", Select)
        chosen = source.value
        source.set_options([(f"checkpoint {step}", str(step)) for step in steps])
        if isinstance(chosen, str) and int(chosen) in steps:
            source.value = chosen

    def _draw_advice(self) -> None:
        """The first thing that is wrong, or else worth knowing."""
        texts, words = self.texts, self._config.concept.token_abstraction
        problem = next((found for field, text in texts.items() if (found := problem_of(field, text))), None)
        for field in FIELDS:
            self.query_one(f"#{field}").set_class(problem_of(field, texts[field]) is not None, "-wrong")
        if problem:
            said = f"{problem.problem} {problem.remedy}"
        elif not trigger_pattern(words).search(texts["prompt"]):
            said = (
                f"{glyphs().attention} Without the trigger word {' or '.join(words)} it does not name what was learned."
            )
        elif self._warning:
            said = f"{glyphs().attention} {self._warning}"
        else:
            said = "enter in a field paints; esc leaves the field, and ends the painting."
        advice = self.query_one("#advice", Static)
        advice.set_class(problem is not None, "-wrong")
        if str(advice.content) != visible(said):
            advice.update(visible(said))

    # Pictures

    def preview(self, path: Path, done: int, total: int) -> None:
        """Show how the picture looks after `done` steps, not more often than the line should bear."""
        self._steps_done = f"step {done} of {total}"
        self.query_one("#painting").border_title = self._steps_done.capitalize()
        if done == total or time.monotonic() - self._previewed >= PREVIEW_SECONDS:
            self._previewed = time.monotonic()
            self.query_one(PictureView).show(path)

    def end_preview(self) -> None:
        """Say of a preview that stays that no more comes."""
        if self._steps_done:
            self.query_one("#painting").border_title = f"Given up at {self._steps_done}"
            self._steps_done = ""

    def draw_pictures(self, newest: bool = False) -> None:
        """Show what was painted so far. newest: with the cursor on the last one."""
        if self._run is None:
            return
        pictures = pictures_of(self._run)
        self._pictures = {picture.path.name: picture for picture in pictures}
        gallery = self.query_one(Gallery)
        gallery.show([Tile(name, picture.path, _label(picture)) for name, picture in self._pictures.items()])
        self.query_one("#painted").border_subtitle = "enter: large, t: its settings" if pictures else "none yet"
        if newest and pictures:
            gallery.go_to(0)
        self._draw_chosen(gallery.key)

    @property
    def chosen(self) -> Request | None:
        """The settings of the picture under the cursor."""
        picture = self._pictures.get(self.query_one(Gallery).key or "")
        return picture.request if picture else None

    def on_gallery_highlighted(self, event: Gallery.Highlighted) -> None:
        event.stop()
        self._draw_chosen(event.key)

    def _draw_chosen(self, key: str | None) -> None:
        picture = self._pictures.get(key or "")
        words = _words(picture) if picture else ""
        said = self.query_one("#settings", Static)
        if str(said.content) != words:
            said.update(words, layout=False)
        if picture:
            self.query_one("#painting").border_title = Content(visible(_label(picture)))
            self.query_one(PictureView).show(picture.path)

    def on_gallery_chosen(self, event: Gallery.Chosen) -> None:
        event.stop()
        if event.key not in self._pictures:
            return
        row = [Shown(each.path, _label(each), _words(each)) for each in self._pictures.values()]
        self.app.push_screen(LargePicture([row], 0, list(self._pictures).index(event.key)))


def _label(picture: Picture) -> str:
    return f"seed {picture.request.seed}" if picture.request else picture.path.stem


def _words(picture: Picture) -> str:
    """The picture's settings on one line."""
    if picture.request is None:
        return f"{visible(picture.path.name)}: its settings are missing."
    source = EXPORTED if picture.request.step is None else f"checkpoint {picture.request.step}"
    return visible(f"{' / '.join(parameters(picture.request).splitlines())}, {source}")
