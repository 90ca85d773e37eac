"""Numbers with their names, in columns that stay where they are."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from loratui.widgets.lines import Lines

COLUMN_WIDTH = 19

Figure = tuple[str, str]


class Figures(Lines):
    """Each number behind its name, as many in a line as fit."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._figures: tuple[Figure, ...] = ()

    def show(self, figures: Sequence[Figure]) -> None:
        """Draw these names and numbers."""
        self._figures = tuple(figures)
        self.redraw()

    def drawn(self, width: int, height: int) -> list[Strip]:
        in_a_line = max(width // COLUMN_WIDTH, 1)
        column = width // in_a_line
        name_style, number_style = self.rich_style + Style(dim=True), self.rich_style + Style(bold=True)
        return [
            Strip(
                [
                    segment
                    for name, number in figures
                    for segment in (
                        Segment(f"{name} ", name_style),
                        Segment(f"{number[: column - len(name) - 1]:<{column - len(name) - 1}}", number_style),
                    )
                ]
            )
            for figures in (self._figures[at : at + in_a_line] for at in range(0, len(self._figures), in_a_line))
        ]
