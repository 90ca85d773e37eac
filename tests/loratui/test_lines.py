"""Lines that change a little: those that differ are drawn again, and no others."""

from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.strip import Strip

from loratui.widgets.lines import Lines

RED, BLUE = Style(color="red"), Style(color="blue")


class Words(Lines):
    """A line for each word, capitals in red, all others in blue; notes which lines it is asked to draw."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.asked: set[int] = set()

    def drawn(self, width: int, height: int) -> list[Strip]:
        return [Strip([Segment(word, RED if word.isupper() else BLUE)]) for word in self.words]

    def render_line(self, y: int) -> Strip:
        self.asked.add(y)
        return super().render_line(y)


class WordsApp(App):
    def compose(self) -> ComposeResult:
        yield Words()


async def redrawn(before: list[str], now: list[str]) -> set[int]:
    """The lines that are drawn when these words take the place of those."""
    app = WordsApp()
    async with app.run_test(size=(20, 4)) as pilot:
        view = app.query_one(Words)
        for words in (before, now):
            view.words = words
            await pilot.pause()
            view.asked.clear()
            view.redraw()
            await pilot.pause()
        asked = set(view.asked)
        assert [view.render_line(y).text.strip() for y in range(len(now))] == now
        return asked


async def test_only_the_lines_that_differ_are_drawn_again() -> None:
    assert await redrawn(["one", "two", "three"], ["one", "2", "three"]) == {1}


async def test_the_same_lines_are_not_drawn_again() -> None:
    assert await redrawn(["one", "two"], ["one", "two"]) == set()


async def test_another_style_is_a_difference() -> None:
    assert await redrawn(["one", "two"], ["ONE", "two"]) == {0}


async def test_more_or_fewer_lines_are_all_drawn() -> None:
    assert await redrawn(["one", "two"], ["one"]) == {0, 1, 2, 3}
