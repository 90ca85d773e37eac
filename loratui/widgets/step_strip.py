"""The road on top of every screen: its steps, where one stands, and how far each step is."""

from collections.abc import Mapping

from textual.content import Content
from textual.widgets import Static

from loratui.glyphs import glyphs
from loratui.project import Standing

STEPS = {
    "photos": "Photos",
    "checks": "Checks",
    "captions": "Captions",
    "recipe": "Recipe",
    "train": "Train",
    "results": "Results",
}


class StepStrip(Static):
    """One line: `1 Photos ✓ 12 > 2 Checks ! attention > ...`; the signs alone where the words do not fit."""

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
        full = self._line(words=True)
        return full if full.cell_length <= self.size.width else self._line(words=False)

    def _line(self, words: bool) -> Content:
        parts: list[Content | str | tuple[str, str]] = []
        for number, (mode, title) in enumerate(STEPS.items(), start=1):
            standing = self._standings.get(mode, Standing("open", ""))
            sign = glyphs().sign(standing.sign)
            name = f"{number} {title}"
            parts.append((" > ", "$text-disabled") if parts else " ")
            parts.append((f" {name} ", "bold reverse") if mode == self._current else (name, "$text-muted"))
            parts.append(f" {sign} {standing.word}" if words else f" {sign}")
        return Content.assemble(*parts)
