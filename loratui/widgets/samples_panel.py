"""A run's sample pictures: the newest beside the earlier ones, a row for each prompt and a column for each step."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from loratui.runs.monitor import Monitor
from loratui.widgets.gallery import LEAST_WIDTH, Gallery, Tile


class SamplesPanel(Vertical):
    """The first step's pictures and as many of the newest as fit; enter on one shows it large, beside all others."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")
        self._monitor: Monitor | None = None
        self._tiles: list[Tile] = []
        self._columns = 0

    def compose(self) -> ComposeResult:
        yield Gallery(id="gallery")
        yield Static(id="no-samples", classes="hint", markup=False)

    def on_resize(self) -> None:
        if self._monitor:
            self.show(self._monitor)

    def show(self, monitor: Monitor) -> None:
        """Draw the pictures there are; nothing is drawn again while they are the same."""
        self._monitor = monitor
        gallery, none = self.query_one(Gallery), self.query_one("#no-samples", Static)
        steps, count = comparable_sets(monitor)
        gallery.display, none.display = bool(steps), not steps
        text = _why_none(monitor)
        if str(none.content) != text:
            none.update(text)
        room = max((self.content_size.width - 2) // LEAST_WIDTH, 1)
        if len(steps) > room:
            steps = [*steps[: room > 1], *steps[-max(room - 1, 1) :]]
        tiles = [
            Tile(f"{step}:{place}", path, f"step {step}: {monitor.prompts.get(path, '')}")
            for place in range(count)
            for step in steps
            for path in [monitor.sample_sets[step][place]]
        ]
        if (tiles, len(steps)) != (self._tiles, self._columns):
            self._tiles, self._columns = tiles, len(steps)
            gallery.show(tiles, columns=max(len(steps), 1))


def comparable_sets(monitor: Monitor) -> tuple[list[int], int]:
    """The steps whose pictures stand beside each other, and how many each has; those in the making come later."""
    sets = dict(monitor.sample_sets)
    steps = list(sets)
    if monitor.phase == "sampling" and len(steps) > 1 and len(sets[steps[-1]]) < len(sets[steps[-2]]):
        steps.pop()
    count = len(sets[steps[-1]]) if steps else 0
    return [step for step in steps if len(sets[step]) >= count], count


def _why_none(monitor: Monitor) -> str:
    if not monitor.makes_samples:
        return "This run makes none: its num_validation_images is 0."
    return "None yet. s asks for some now." if monitor.active else "None."
