"""What the screens of the road have in common: the strip on top, the footer, and how they speak of trouble."""

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, TextArea
from textual.worker import Worker, WorkerState

from curation.errors import StatedError
from curation.text import visible
from loratui.project import Project
from loratui.widgets.step_strip import StepStrip


class StepScreen(Screen[None]):
    """A step of the road. Subclasses give `mode`, compose their body and draw what the project holds."""

    mode: str
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave_field", "Leave field", tooltip="So that keys act again; tab does the same")
    ]

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project

    def compose(self) -> ComposeResult:
        yield StepStrip(self.mode)
        yield from self.compose_body()
        yield Footer()

    def compose_body(self) -> Iterator:
        """The widgets between strip and footer."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show what the project holds now; called whenever the screen comes up."""

    def on_screen_resume(self) -> None:
        self.draw_standings()
        self.draw()

    def draw_standings(self) -> None:
        """Bring the strip up to date."""
        self.query_one(StepStrip).show(self.project.standings())

    def tell(self, error: StatedError) -> None:
        """Say what is wrong and what to do about it."""
        self.notify(visible(error.remedy), title=visible(error.problem), severity="error", timeout=10, markup=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            self.notify(
                visible(repr(event.worker.error)), title="This should not happen", severity="error", markup=False
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leaving a field is offered in a field only."""
        return action != "leave_field" or isinstance(self.focused, Input | TextArea)

    def action_leave_field(self) -> None:
        self.set_focus(None)
