"""The keys of the moment on the last line: those of the screen on the left, those of the program on the right."""

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import App
from textual.keys import KEY_NAME_REPLACEMENTS
from textual.screen import Screen
from textual.widget import Widget

from loratui.user.keymap import key_name
from loratui.widgets.text_fields import takes_text

MOST_KEYS = 8
GAP = 2
RENAMED_KEYS = set(KEY_NAME_REPLACEMENTS.values())
"""Printable keys, such as plus, of which Textual does not know that a text field takes them."""

Key = tuple[str, str, str]
"""As Textual knows it, as it is shown, and what it does."""


class KeyFooter(Widget):
    """One line of at most eight keys that repaints itself only when it says something else. A click presses the key."""

    DEFAULT_CSS = "KeyFooter { height: 1; dock: bottom; }"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-footer--key"}

    def __init__(self) -> None:
        super().__init__()
        self._left: list[Key] = []
        self._right: list[Key] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._look)

    def _look(self, screen: Screen) -> None:
        left, right = _keys(screen)
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    @property
    def keys(self) -> list[Key]:
        """Those that are on the line: the program's own always, and as many of the screen's as there is room for."""
        left = self._left[: MOST_KEYS - len(self._right)]
        while left and _width([*left, *self._right]) > self.size.width:
            left.pop()
        return [*left, *self._right]

    def render(self) -> Text:
        style = self.get_component_rich_style("key-footer--key", partial=True)
        line = Text(no_wrap=True, end="")
        keys = self.keys
        for number, (_, shown, title) in enumerate(keys):
            if number == len(keys) - len(self._right):
                line.append(" " * (self.size.width - _width(keys)))
            line.append(" ").append(shown, style).append(f" {title}")
            line.append(" " * (GAP - 1))
        return line

    def on_click(self, event: events.Click) -> None:
        keys = self.keys
        x = 0
        for number, key in enumerate(keys):
            if number == len(keys) - len(self._right):
                x = self.size.width - _width(self._right)
            if x <= event.x < x + _width([key]):
                self.app.simulate_key(key[0])
            x += _width([key])


def _keys(screen: Screen) -> tuple[list[Key], list[Key]]:
    """What acts now and is to be shown, once an action: the screen's, and the app's."""
    taken = RENAMED_KEYS if takes_text(screen.focused) else ()
    left: dict[str, Key] = {}
    right: dict[str, Key] = {}
    for node, binding, enabled, _ in screen.active_bindings.values():
        if binding.show and enabled and binding.key not in taken:
            side = right if isinstance(node, App) else left
            shown = key_name(binding.key).replace("ctrl+", "^")
            side.setdefault(binding.action, (binding.key, shown, binding.description))
    return list(left.values()), list(right.values())


def _width(keys: Iterable[Key]) -> int:
    return sum(len(shown) + len(title) + GAP + 1 for _, shown, title in keys)
