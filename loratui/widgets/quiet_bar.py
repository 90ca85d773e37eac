"""A progress bar that sends nothing over the line while nothing moves."""

from rich.text import Text
from textual.widget import Widget

from loratui.glyphs import glyphs


class QuietBar(Widget):
    """One line: how much of `total` is done, and the percentage. Textual's own repaints itself every second."""

    def __init__(self) -> None:
        super().__init__()
        self._share = 0.0

    def show(self, done: int, total: int) -> None:
        """Draw `done` of `total`; an unknown total (0) is an empty bar."""
        share = min(done / total, 1.0) if total else 0.0
        if share != self._share:
            self._share = share
            self.refresh()

    def render(self) -> Text:
        width = max(self.size.width - 5, 0)
        full = round(width * self._share)
        return Text.assemble(
            (glyphs().bar_full * full, "bold"),
            (glyphs().bar_rest * (width - full), "dim"),
            f" {self._share:4.0%}",
            no_wrap=True,
            end="",
        )
