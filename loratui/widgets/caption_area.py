"""The editor of one caption: control characters are shown, and the page keys go from photo to photo."""

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

# One cell for each character, so that the cursor stays where the text is: U+2400 holds pictures of control characters.
PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) != "\t"} | {0x7F: "\u2421"}
# C1 controls, and the characters that turn the direction of text.
HIDDEN = [*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
SHOWN = str.maketrans(PICTURES | dict.fromkeys(HIDDEN, "\ufffd"))


class CaptionArea(TextArea):
    """A TextArea for captions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "turn(1)", "Next photo", show=False, tooltip="Save and go on to the next photo's caption"),
        Binding("pageup", "turn(-1)", "Photo before", show=False, tooltip="Save and go back to the photo before"),
    ]

    class Turned(Message):
        """The user wants to go on to another photo, `by` rows away."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def get_line(self, line_index: int) -> Text:
        return Text(self.document.get_line(line_index).translate(SHOWN), end="", no_wrap=True)

    def action_turn(self, by: int) -> None:
        self.post_message(self.Turned(by))
