"""A list of any length: what it draws, how its cursor moves, and that it asks for no more than it shows."""

from textual.app import App, ComposeResult

from loratui.widgets.row_list import Column, RowList
from tests.loratui.tui import screen_text

ROWS = [f"photo-{number:05d}.jpg" for number in range(10_000)]


class ListApp(App[None]):
    def __init__(self, rows: list[str]) -> None:
        super().__init__()
        self.rows = rows
        self.asked: list[str] = []
        self.highlighted: list[str] = []
        self.chosen: list[str] = []

    def compose(self) -> ComposeResult:
        yield RowList([Column("Photo"), Column("State", 8), Column("Size", 9, least=60)])

    def on_mount(self) -> None:
        self.query_one(RowList).show(self.rows, self.cells)
        self.query_one(RowList).focus()

    def cells(self, key: str) -> tuple[str, str, str]:
        self.asked.append(key)
        return key, "written", "512 x 512"

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        self.highlighted.append(message.key)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        self.chosen.append(message.key)


async def test_of_ten_thousand_rows_only_those_in_sight_are_asked_for() -> None:
    app = ListApp(ROWS)
    async with app.run_test(size=(80, 24)) as pilot:
        assert "photo-00000.jpg" in screen_text(pilot)
        assert set(app.asked) <= set(ROWS[:24])
        await pilot.press("G")
        await pilot.pause()
        assert app.query_one(RowList).key == ROWS[-1]
        assert "photo-09999.jpg" in screen_text(pilot)


async def test_vim_keys_and_arrows_move_and_every_row_that_is_reached_is_told() -> None:
    app = ListApp(ROWS[:100])
    async with app.run_test(size=(80, 24)) as pilot:
        for key, row in (("j", 1), ("down", 2), ("k", 1), ("up", 0), ("up", 0), ("G", 99), ("down", 99), ("g", 0)):
            await pilot.press(key)
            await pilot.pause()
            assert app.query_one(RowList).row == row
        assert app.highlighted[-1] == ROWS[0]
        for _ in range(60):
            await pilot.press("j")
        await pilot.pause()
        assert ROWS[60] in screen_text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert app.chosen == [ROWS[60]]


async def test_the_cursor_stays_on_its_row_when_others_come_and_go() -> None:
    app = ListApp(ROWS[:100])
    async with app.run_test(size=(80, 24)) as pilot:
        rows = app.query_one(RowList)
        rows.go_to(50)
        rows.show(ROWS[40:60], app.cells)
        assert rows.key == ROWS[50]
        rows.show(ROWS[:10], app.cells)
        assert rows.key == ROWS[9]
        rows.show([], app.cells)
        assert rows.key is None
        await pilot.press("j", "G", "enter", "pagedown")
        assert app.chosen == []


async def test_a_column_that_has_no_room_is_dropped_and_names_are_data() -> None:
    app = ListApp(["[/foo]", "\x1b[31mred", "日本語の写真.png", "👩‍👩‍👧.png"])
    async with app.run_test(size=(50, 10)) as pilot:
        text = screen_text(pilot)
        assert "[/foo]" in text and "日本語の写真.png" in text and "\x1b" not in text
        assert "Size" not in text


async def test_a_click_moves_the_cursor_and_a_second_one_chooses() -> None:
    app = ListApp(ROWS[:10])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(RowList, offset=(5, 4))
        assert app.query_one(RowList).key == ROWS[3]
        await pilot.click(RowList, offset=(5, 4), times=2)
        assert app.chosen == [ROWS[3]]
