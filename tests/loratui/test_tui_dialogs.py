"""Dialogs on the smallest terminal: what there is to answer is in sight, however long the text."""

import pytest
from rich.text import Text

from loratui.screens.page import PageScreen
from tests.loratui.tui import NARROW, WIDE, app_on, go, screen_text

LEAST = (80, 22)


@pytest.mark.parametrize("size", [LEAST, NARROW, WIDE])
async def test_a_long_page_keeps_its_buttons_in_sight(size: tuple[int, int]) -> None:
    app = app_on(None)
    async with app.run_test(size=size) as pilot:
        app.push_screen(PageScreen("Changes", Text("\n".join(f"line {n}" for n in range(200))), "Write the copy"))
        assert "line 0" in await go(pilot, "left")
        assert "Cancel (n)" in screen_text(pilot)
        assert "Write the copy (y)" in screen_text(pilot)
        assert "line 199" in await go(pilot, *["pagedown"] * 20)
