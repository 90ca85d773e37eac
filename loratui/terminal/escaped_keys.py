"""Escape and another key in one packet, as tmux and slow lines bring them, told from alt and that key.

Both are the same bytes. Textual's parser takes them for alt and a letter, drops the escape before `/`, and makes of a
digit what a keyboard of Apple's has there: so a `3` meant to go to another screen would be typed into a caption.
"""

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser

ESCAPE = "\x1b"
GO_ON = frozenset("[O]P_^XN\\\t\x7f")
"""What an escape is not a key before: the beginnings of longer sequences, shift+tab, and the end of a word deleted."""


class EscapedKey(events.Key):
    """Escape and then a key, or alt and the key, by which name it goes."""

    def __init__(self, after: events.Key) -> None:
        super().__init__(f"alt+{after.key}", after.character)
        self.after = after


class EscapedKeyParser(XTermParser):
    """Leaves it to the app which of the two was meant."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        is_escaped = len(sequence) == 2 and sequence[0] == ESCAPE and sequence[1] not in GO_ON
        if not alt and not is_escaped:
            yield from super()._sequence_to_key_events(sequence)
            return
        for key in super()._sequence_to_key_events(sequence[-1]):
            yield EscapedKey(key)
