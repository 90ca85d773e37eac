"""The editor of one caption: control characters are shown, trigger words stand out, page keys turn to other photos."""

import re
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from curation.triggers import trigger_pattern

# One cell for each character, so that the cursor stays where the text is: U+2400 holds pictures of control characters.
PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) != "\t"} | {0x7F: "\u2421"}
# C1 controls, and the characters that turn the direction of text.
HIDDEN = [*range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
SHOWN = str.maketrans(PICTURES | dict.fromkeys(HIDDEN, "\ufffd"))

TRIGGER_STYLE = "bold underline"
"""Of trigger words, here and in lists: seen without colours, too."""


class CaptionArea(TextArea):
    """A TextArea for captions.  turn: called when the user wants to go on to another photo, so many rows away."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "pagedown",
            "turn(1)",
            "Next photo",
            id="caption_area.next",
            show=False,
            tooltip="Save and go on to the next photo's caption",
        ),
        Binding(
            "pageup",
            "turn(-1)",
            "Photo before",
            id="caption_area.before",
            show=False,
            tooltip="Save and go back to the photo before",
        ),
    ]

    def __init__(self, turn: Callable[[int], None]) -> None:
        super().__init__(soft_wrap=True, tab_behavior="focus", show_line_numbers=False, compact=True)
        self.cursor_blink = False
        self._turn = turn
        self._trigger_pattern = trigger_pattern(())

    def highlight(self, pattern: re.Pattern[str]) -> None:
        """Let what this pattern matches stand out."""
        if pattern != self._trigger_pattern:
            self._trigger_pattern = pattern
            self._line_cache.clear()
            self.refresh()

    def get_line(self, line_index: int) -> Text:
        line = Text(self.document.get_line(line_index).translate(SHOWN), end="", no_wrap=True)
        line.highlight_regex(self._trigger_pattern, TRIGGER_STYLE)
        return line

    def action_turn(self, by: int) -> None:
        self._turn(by)
