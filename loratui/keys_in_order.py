"""Keys that arrive together, after a line that stalled, act one after the other, each on what the one before it left.

Textual hands each key to the widget that has the focus when it arrives: of `3` and `e` in one packet, which mean "go to
the captions, edit", the second one would act on the screen that the first one leaves.
"""

import asyncio
from collections import deque
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message_pump import MessagePump

from loratui.terminal.escaped_keys import ESCAPE, EscapedKey

WORD_MOTIONS = {"alt+b": "ctrl+left", "alt+f": "ctrl+right"}
"""As shells have them, and terminals of Apple's send them: in a text field they move by a word."""
PATIENCE_SECONDS = 1.0
"""Where a widget went away before it could say that it is done, the next key waits no longer."""


class KeysInOrder(App[None]):
    """An app that hands out a key when the one before it has taken effect, a change of screen included."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._acting: asyncio.Task[None] | None = None

    @property
    def has_keys_waiting(self) -> bool:
        """Whether keys were typed that have not taken effect yet."""
        return self._acting is not None

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._waiting.append(event)
        if self._acting is None:
            self._acting = asyncio.create_task(self._act(await self._hand_out()))

    async def _hand_out(self) -> list[DOMNode]:
        """Hand out the next key; returns where it went."""
        event = self._waiting.popleft()
        if isinstance(event, EscapedKey):
            event, *then = self._meant(event)
            self._waiting.extendleft(then)
        nodes = self._on_its_way()
        await super().on_event(event)
        return nodes

    def _meant(self, event: EscapedKey) -> list[events.Key]:
        """Alt and the key where something takes it, or else escape and then the key."""
        for key in (event.key, WORD_MOTIONS.get(event.key)):
            if key in self.active_bindings:
                return [events.Key(key, None)]
        return [events.Key("escape", ESCAPE), event.after]

    def _on_its_way(self) -> list[DOMNode]:
        """Where a key goes: from the focused widget up to the app."""
        return list((self.focused or self.screen).ancestors_with_self)

    async def _act(self, nodes: list[DOMNode]) -> None:
        """Wait until a key has taken effect, then hand out those that came meanwhile."""
        try:
            await self._settled(nodes)
            while self._waiting:
                await self._settled(await self._hand_out())
        finally:
            self._acting = None

    async def _settled(self, nodes: list[DOMNode]) -> None:
        for node in nodes:
            await _done_with_its_messages(node)
        if self.screen not in nodes:
            await _done_with_its_messages(self.screen)
            await _done_with_its_messages(self.focused or self.screen)


async def _done_with_its_messages(node: MessagePump) -> None:
    """Return when the node has seen to all that was sent to it before."""
    done = asyncio.Event()
    if node.is_running and node.call_later(done.set):
        try:
            await asyncio.wait_for(done.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            return
