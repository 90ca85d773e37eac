"""A progress bar that sends nothing over the line while nothing moves."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from loratui.terminal.glyphs import glyphs
from loratui.widgets.lines import Lines


class QuietBar(Lines):
    """One line: how much of `total` is done, and the percentage. Textual's own repaints itself every second."""

    def __init__(self) -> None:
        super().__init__()
        self._share = 0.0

    def show(self, done: int, total: int) -> None:
        """Draw `done` of `total`; an unknown total (0) is an empty bar."""
        self._share = min(done / total, 1.0) if total else 0.0
        self.redraw()

    def drawn(self, width: int, height: int) -> list[Strip]:
        room = max(width - 5, 0)
        full = round(room * self._share)
        bar, rest = glyphs().bar_full * full, glyphs().bar_rest * (room - full)
        base = self.rich_style
        return [
            Strip(
                [
                    Segment(bar, base + Style(bold=True)),
                    Segment(rest, base + Style(dim=True)),
                    Segment(f" {self._share:4.0%}", base),
                ]
            )
        ]
