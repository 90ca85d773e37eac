"""Results: what a run learned, as pictures and as files to take away."""

from collections.abc import Iterator

from textual.widgets import Static

from loratui.screens.step import StepScreen


class ResultsScreen(StepScreen):
    """In the making."""

    mode = "results"
    CSS_PATH = "results.tcss"

    def compose_body(self) -> Iterator:
        yield Static()
