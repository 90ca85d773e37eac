"""The road on top of every screen: its steps, where one stands, and how far each step is."""

from collections.abc import Mapping

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from loratui.standing import Standing
from loratui.terminal.glyphs import glyphs

STEPS = {
    "photos": "Photos",
    "checks": "Checks",
    "captions": "Captions",
    "recipe": "Recipe",
    "train": "Train",
    "results": "Results",
}


class StepStrip(Static):
    """One line: `1 Photos ✓ 12 > 2 Checks ! attention > ...`; the signs alone where the words do not fit.

    A click on a step goes there.
    """

    class Chosen(Message):
        """A step was clicked."""

        def __init__(self, mode: str) -> None:
            super().__init__()
            self.mode = mode

    def __init__(self, current: str) -> None:
        super().__init__(markup=False)
        self._current = current
        self._standings: Mapping[str, Standing] = {}

    def show(self, standings: Mapping[str, Standing]) -> None:
        """Draw these standings, by mode."""
        if standings != self._standings:
            self._standings = standings
            self.refresh()

    def render(self) -> Content:
        line = Content()
        for number, step in enumerate(self._steps.values()):
            line = Content.assemble(line, (" > ", "$text-disabled") if number else " ", step)
        return line

    def on_click(self, event: events.Click) -> None:
        start = 1
        for mode, step in self._steps.items():
            if start <= event.x < start + step.cell_length:
                self.post_message(self.Chosen(mode))
            start += step.cell_length + 3

    @property
    def _steps(self) -> dict[str, Content]:
        """What is said of each step, in as many words as there is room for."""
        in_words = {mode: self._step(number, mode, words=True) for number, mode in enumerate(STEPS, start=1)}
        if sum(step.cell_length + 3 for step in in_words.values()) - 2 <= self.size.width:
            return in_words
        return {mode: self._step(number, mode, words=False) for number, mode in enumerate(STEPS, start=1)}

    def _step(self, number: int, mode: str, words: bool) -> Content:
        standing = self._standings.get(mode, Standing("open", ""))
        name = f"{number} {STEPS[mode]}"
        title = (f" {name} ", "bold reverse") if mode == self._current else (name, "$text-muted")
        word = f" {standing.word}" if words and standing.word else ""
        return Content.assemble(title, f" {glyphs().sign(standing.sign)}{word}")
