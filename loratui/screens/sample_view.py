"""One sample picture, large: left and right go through the run's time, up and down to other prompts."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from loratui.monitor import Monitor
from loratui.widgets.picture import PictureView


class SampleView(ModalScreen[None]):
    """The picture of a step at one place of its set; the same place has the same prompt and seed at each step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "Earlier", id="sample.earlier", tooltip="The same prompt, an earlier step"),
        Binding("right,l", "step(1)", "Later", id="sample.later", tooltip="The same prompt, a later step"),
        Binding("up,k", "place(-1)", "Prompt before", id="sample.prompt_before", tooltip="Another prompt, this step"),
        Binding("down,j", "place(1)", "Next prompt", id="sample.next_prompt", tooltip="Another prompt, this step"),
        Binding("home,g", "step(-1000)", "First step", id="sample.first", tooltip="The same prompt, the first step"),
        Binding("end,G", "step(1000)", "Last step", id="sample.last", tooltip="The same prompt, the newest step"),
        Binding("y", "copy", "Copy", id="sample.copy", tooltip="Copy the path of the picture"),
        Binding("escape,q,enter", "dismiss", "Back", id="sample.back", tooltip="Back to the run"),
    ]

    def __init__(self, monitor: Monitor, step: int, place: int) -> None:
        super().__init__()
        self._monitor, self._step, self._place = monitor, step, place

    def compose(self) -> ComposeResult:
        with Vertical(classes="panel", id="sample"):
            yield PictureView(id="large")

    def on_mount(self) -> None:
        self._draw()

    def action_step(self, by: int) -> None:
        """Go so many steps with pictures on, as far as there are."""
        steps = sorted(self._monitor.sample_sets)
        if not steps:  # the run went back to its beginning
            return
        at = steps.index(self._step) if self._step in steps else 0
        self._step = steps[min(max(at + by, 0), len(steps) - 1)]
        self._draw()

    def action_place(self, by: int) -> None:
        count = len(self._monitor.sample_sets.get(self._step, ()))
        self._place = min(max(self._place + by, 0), max(count - 1, 0))
        self._draw()

    def action_copy(self) -> None:
        if path := self._path:
            self.app.copy_to_clipboard(str(path))

    @property
    def _path(self) -> Path | None:
        paths = self._monitor.sample_sets.get(self._step, [])
        return paths[min(self._place, len(paths) - 1)] if paths else None

    def _draw(self) -> None:
        steps = sorted(self._monitor.sample_sets)
        path = self._path
        frame = self.query_one("#sample")
        number = steps.index(self._step) + 1 if self._step in steps else 0
        frame.border_title = Content(f"Step {self._step}, {number} of {len(steps)}")
        prompt = self._monitor.prompts.get(path, "") if path else ""
        frame.border_subtitle = Content(f"{prompt}  left, right: other steps; esc: back")
        self.query_one(PictureView).show(path)
