"""The terminal's side of the TUI: escape is a key, and no bytes go for motions of the mouse or cells as they are."""

import os
from typing import Any

from textual import events
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from loratui.terminal.escaped_keys import EscapedKeyParser
from loratui.terminal.sent import SentCells

ANY_MOTION, WITH_BUTTON = "\x1b[?1003", "\x1b[?1002"
"""The modes of xterm's mouse tracking, to be switched on or off."""
POINTER_SHAPE = "\x1b]22;"
"""Few terminals change it, and it has to follow motions."""


class QuietDriver(LinuxDriver):
    """Textual's own asks for every motion: each would come up a slow line, and hover styles would go down it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sent = SentCells()

    def write(self, data: str) -> None:
        if not data.startswith(POINTER_SHAPE) and (news := self._sent.unsent(data)):
            super().write(news.replace(ANY_MOTION, WITH_BUTTON))

    def run_input_thread(self) -> None:
        """Read keys by our own parser: Textual's driver can be given none."""
        linux_driver.XTermParser = EscapedKeyParser
        super().run_input_thread()

    def _get_terminal_size(self) -> tuple[int, int]:
        """As the terminal has it: Textual would believe COLUMNS and LINES, which do not change with a window."""
        try:
            columns, lines = os.get_terminal_size(self.fileno)
        except OSError:
            return super()._get_terminal_size()
        return columns, lines

    def process_message(self, message: Message) -> None:
        """Pass on what the terminal sent, but no motion without a button: some send it all the same."""
        if isinstance(message, events.MouseMove) and not message.button and not self._down_buttons:
            return
        if isinstance(message, events.Resize):
            self._sent.forget()
        super().process_message(message)
