"""Home: recent projects, the runs there are, and what this machine can do."""

from collections.abc import Iterator

from textual.widgets import Static

from loratui.screens.step import StepScreen


class HomeScreen(StepScreen):
    """In the making."""

    mode = "home"
    CSS_PATH = "home.tcss"

    def compose_body(self) -> Iterator:
        yield Static()
