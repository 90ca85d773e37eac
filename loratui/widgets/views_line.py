"""The views of a screen on one line, each with its key, and whose they are; a click turns to one."""

from collections.abc import Mapping

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static


class ViewsLine(Static):
    """` s Samples   n Generate ...    good ✓ finished`, the one in sight in reverse."""

    class Chosen(Message):
        """A view was clicked."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, views: Mapping[str, tuple[str, str]], id: str | None = None) -> None:
        """views: the key and the title of each."""
        super().__init__(id=id, markup=False)
        self._labels = {view: f" {key} {title} " for view, (key, title) in views.items()}
        self._shown: tuple[str | None, str] | None = None

    def show(self, current: str | None, owner: str) -> None:
        """Draw the views of `owner`, and mark the current one."""
        if (current, owner) == self._shown:
            return
        self._shown = (current, owner)
        parts: list[str | tuple[str, str]] = []
        for view, label in self._labels.items():
            parts += [(label, "bold reverse" if view == current else "$text-muted"), " "]
        self.update(Content.assemble(*parts, f"  {owner}"), layout=False)

    def show_words(self, words: str) -> None:
        """Draw these words in place of the views, for there is nothing to view."""
        self._shown = None
        self.update(Content(words), layout=False)

    def on_click(self, event: events.Click) -> None:
        start, x = 0, event.get_content_offset_capture(self).x
        for view, label in self._labels.items() if self._shown else ():
            if start <= x < start + len(label):
                self.post_message(self.Chosen(view))
            start += len(label) + 1
