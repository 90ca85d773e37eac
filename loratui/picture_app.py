"""An app that knows how its terminal draws pictures, and goes on to the next way by a key."""

from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from curation.errors import StatedError
from curation.text import visible
from loratui.terminal.clipboard import copy
from loratui.terminal.probe import PLAIN, Terminal
from loratui.terminal.ways import COLOURS, Choice, Way, chosen, ways_of

SHOWN_WIDTH = 30
"""Characters of a copied text that its toast repeats."""


class PictureApp(App[None]):
    """Views of pictures watch `picture_way`, and draw themselves again when it changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "pictures", "Pictures", show=False, id="app.pictures", tooltip="The next way to draw pictures"),
    ]
    picture_way: reactive[Way] = reactive("half-blocks")
    terminal: Terminal = PLAIN

    def use_pictures(self, choice: Choice, terminal: Terminal) -> None:
        """Draw pictures as the user prefers, as far as the terminal can."""
        self.terminal = terminal
        self.set_reactive(PictureApp.picture_way, chosen(choice, self._ways))

    @property
    def _ways(self) -> tuple[Way, ...]:
        return ways_of(self.terminal, has_colours=self.console.color_system in COLOURS and not self.no_color)

    def action_pictures(self) -> None:
        """Draw pictures in the next of the ways that the terminal has."""
        ways = self._ways
        at = ways.index(self.picture_way) if self.picture_way in ways else -1
        self.picture_way = ways[(at + 1) % len(ways)]
        others = "" if len(ways) > 1 else "; this terminal has no other way"
        self.notify(f"Pictures: {self.picture_way}{others}", timeout=2, markup=False)

    def send(self, sequence: str) -> None:
        """Write a control sequence to the terminal, after all that was drawn so far."""
        if sequence and self._driver and not self.is_headless:
            self._driver.write(sequence)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy the text to the user's own clipboard, and say so; text areas do it by this, too."""
        self._clipboard = text
        try:
            way = copy(text, self.send)
        except StatedError as error:
            self.notify(visible(error.remedy), title=visible(error.problem), severity="error", markup=False)
            return
        shown = visible(text) if len(text) <= SHOWN_WIDTH else f"{visible(text[:SHOWN_WIDTH])}... ({len(text)})"
        self.notify(f"{shown}", title=f"Copied through {way}", timeout=3, markup=False)
