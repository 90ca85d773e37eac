"""How often each tag or word stands in the captions; one of them can be picked to see who has it."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from curation.frequencies import Frequency, Unit, frequencies
from curation.text import counted
from loratui.widgets.row_list import Column, RowList


class TagPanel(Vertical):
    """A list of tags or words with their numbers, and a field that narrows it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "narrow", "Find a tag", id="tags.narrow", tooltip="Show only tags that hold a text"),
        Binding("w", "turn_unit", "Tags or words", id="tags.turn_unit", tooltip="Count tags, or else single words"),
    ]

    class Picked(Message):
        """The user wants to see the captions that have this tag or word."""

        def __init__(self, part: str, unit: Unit) -> None:
            super().__init__()
            self.part, self.unit = part, unit

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")
        self.unit: Unit = "tag"
        self._captions: tuple[str, ...] = ()
        self._frequencies: tuple[Frequency, ...] = ()

    def compose(self) -> ComposeResult:
        yield Input(placeholder="find a tag", compact=True)
        yield RowList([Column("", 6), Column("Tag or word")])

    def show(self, captions: Iterable[str]) -> None:
        """Count what stands in these captions."""
        captions = tuple(captions)
        if captions != self._captions:
            self._captions = captions
            self._count()

    def take_focus(self) -> None:
        """Go to the list."""
        self.query_one(RowList).focus()

    def _count(self) -> None:
        self._frequencies = frequencies(self._captions, self.unit)
        self._fill()

    def _fill(self) -> None:
        wanted = self.query_one(Input).value.casefold()
        numbers = {each.text: each.captions for each in self._frequencies if wanted in each.text.casefold()}
        self.border_title = counted(len(numbers), self.unit)
        self.query_one(RowList).show(numbers, lambda text: (f"{numbers[text]:>6}", text))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.take_focus()

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        message.stop()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        message.stop()
        self.post_message(self.Picked(message.key, self.unit))

    def action_narrow(self) -> None:
        self.query_one(Input).focus()

    def action_turn_unit(self) -> None:
        self.unit = "word" if self.unit == "tag" else "tag"
        self._count()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the field, keys are letters."""
        return not self.query_one(Input).has_focus
