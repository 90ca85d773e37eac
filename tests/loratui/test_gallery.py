"""The gallery: its grid at any width, its cursor, that it decodes what is in sight alone, and what a key costs."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from benchmarks.tui_terminal import PtyTerminal
from loratui.terminal.pictures import Mark, Scaler
from loratui.widgets.gallery import Gallery, Tile
from tests.loratui.tui import screen_text, wait_for

REPO = Path(__file__).parents[2]
MOST_BYTES_A_KEY = 1024


class GalleryApp(App[None]):
    def __init__(self, tiles: Sequence[Tile], columns: int | None = None) -> None:
        super().__init__()
        self.tiles, self.columns = tiles, columns
        self.highlighted: list[str] = []
        self.chosen: list[str] = []

    def compose(self) -> ComposeResult:
        yield Gallery(columns=self.columns)

    def on_mount(self) -> None:
        self.gallery.show(self.tiles)
        self.gallery.focus()

    @property
    def gallery(self) -> Gallery:
        return self.query_one(Gallery)

    def on_gallery_highlighted(self, message: Gallery.Highlighted) -> None:
        self.highlighted.append(message.key)

    def on_gallery_chosen(self, message: Gallery.Chosen) -> None:
        self.chosen.append(message.key)


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of many colours, whatever this one is."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were asked for, in turn."""
    asked: list[Path] = []
    scaled = Scaler.scaled

    def noted(self: Scaler, picture: Path, *args, **options) -> Image.Image:
        asked.append(picture)
        return scaled(self, picture, *args, **options)

    monkeypatch.setattr(Scaler, "scaled", noted)
    return asked


def tiles(folder: Path, count: int, files: int = 40) -> list[Tile]:
    """So many tiles; their files, of which there are fewer, are drawn where they are not there yet."""
    for number in range(min(files, count)):
        Image.new("RGB", (64, 64), (number * 6, 90, 160)).save(folder / f"{number}.png")
    return [Tile(f"key {number}", folder / f"{number % files}.png", f"photo {number}") for number in range(count)]


async def settled(pilot: Pilot) -> None:
    await pilot.pause()
    await wait_for(pilot, lambda: not any(worker.is_running for worker in pilot.app.workers))
    await pilot.pause()


@pytest.mark.parametrize(("width", "columns"), [(30, 1), (80, 3), (120, 5), (180, 8)])
async def test_as_many_tiles_stand_side_by_side_as_have_twenty_cells(tmp_path: Path, width: int, columns: int) -> None:
    app = GalleryApp(tiles(tmp_path, 30))
    async with app.run_test(size=(width, 40)) as pilot:
        await settled(pilot)
        first = next(line for line in screen_text(pilot).splitlines() if "photo" in line)
        assert first.count("photo") == columns
        assert "▀" in screen_text(pilot)


async def test_columns_can_be_fixed_and_changed(tmp_path: Path) -> None:
    app = GalleryApp(tiles(tmp_path, 6), columns=2)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        labels = [line for line in screen_text(pilot).splitlines() if "photo" in line]
        assert labels[0].split() == ["┗photo", "0", "┛", "photo", "1"]
        app.gallery.show(app.tiles, columns=3)
        await settled(pilot)
        labels = [line for line in screen_text(pilot).splitlines() if "photo" in line]
        assert labels[0].count("photo") == 3


async def test_of_ten_thousand_only_those_in_sight_are_decoded(tmp_path: Path, decoded: list[Path]) -> None:
    app = GalleryApp(tiles(tmp_path, 10_000, files=200))
    async with app.run_test(size=(80, 40)) as pilot:
        await settled(pilot)
        assert len(set(decoded)) <= 12
        decoded.clear()
        await pilot.press("G")
        await settled(pilot)
        assert app.gallery.key == "key 9999"
        assert "photo 9999" in screen_text(pilot)
        assert len(set(decoded)) <= 12


async def test_the_cursor_goes_where_the_keys_say_and_tells_where_it_came(tmp_path: Path) -> None:
    app = GalleryApp(tiles(tmp_path, 32))
    async with app.run_test(size=(80, 40)) as pilot:  # three columns
        walk = (
            "l1 right2 l3 h2 left1 j4 down7 k4 up1 k1 G31 j31 k28 h27 l28 l29 j31 g0 h0 pagedown6 pageup0 end31 home0"
        )
        for key, at in re.findall(r"([a-zA-Z]+)(\d+)", walk):
            await pilot.press(key)
            await pilot.pause()
            assert app.gallery.key == f"key {at}", key
            assert f"┗photo {at} " in screen_text(pilot)
        assert app.highlighted[:4] == ["key 0", "key 1", "key 2", "key 3"]
        await pilot.press("enter")
        await pilot.pause()
        assert app.chosen == ["key 0"]


async def test_a_click_moves_the_cursor_and_a_second_one_chooses(tmp_path: Path) -> None:
    app = GalleryApp(tiles(tmp_path, 32))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.click(Gallery, offset=(30, 5))
        await pilot.pause()
        assert app.gallery.key == "key 1"
        await pilot.click(Gallery, offset=(30, 5), times=2)
        await pilot.pause()
        assert app.chosen == ["key 1"]
        await pilot.click(Gallery, offset=(79, 5))  # the scrollbar
        assert app.gallery.key == "key 1"


async def test_the_cursor_keeps_its_key_when_tiles_change(tmp_path: Path) -> None:
    app = GalleryApp(tiles(tmp_path, 12))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("l", "l")
        app.gallery.show(app.tiles[1:])
        await pilot.pause()
        assert app.gallery.key == "key 2"
        app.gallery.show(app.tiles[4:])
        await pilot.pause()
        assert app.gallery.key == "key 5"
        app.gallery.show([])
        await pilot.pause()
        assert app.gallery.key is None
        await pilot.press("j", "G", "enter", "pagedown")
        app.gallery.go_to_key("key 5")
        assert app.chosen == []


async def test_labels_from_outside_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    names = ["[red]", "[/foo]", "\x1b[2J", "a\nb", "猫" * 40, "👩‍👩‍👧‍👦" * 20, "x" * 300]
    shown = [Tile(name, tmp_path / f"{name}\0.png", name, (Mark(name, 0.1, 0.1, 0.5, 0.5),)) for name in names]
    app = GalleryApp(shown)
    async with app.run_test(size=(80, 60)) as pilot:
        await settled(pilot)
        text = screen_text(pilot)
        for whole in ("[red]", "[/foo]", "\\x1b[2J", "a\\nb", "xxx…", "猫猫"):
            assert whole in text
        assert "cannot be read" in text


async def test_without_colours_a_tile_is_its_name_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = GalleryApp(tiles(tmp_path, 3))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        text = screen_text(pilot)
        assert text.count("64 x 64") == 3
        assert "2.png" in text
        assert "▀" not in text


async def test_a_file_that_changed_is_drawn_again(tmp_path: Path) -> None:
    shown = tiles(tmp_path, 1)
    app = GalleryApp(shown)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        before = pilot.app.export_screenshot()
        Image.new("RGB", (64, 48), "yellow").save(tmp_path / "0.png")
        app.gallery.show(shown)
        await settled(pilot)
        assert pilot.app.export_screenshot() != before


SHOW = """
import sys
from pathlib import Path
from loratui.terminal.driver import QuietDriver
from loratui.picture_app import PictureApp
from loratui.terminal.probe import Terminal
from loratui.widgets.gallery import Gallery, Tile
class Show(PictureApp):
    def compose(self):
        yield Gallery()
    def on_mount(self):
        self.use_pictures(sys.argv[1], Terminal(kitty=True, sixel=True))
        files = sorted(Path(sys.argv[2]).glob("*.png"))
        gallery = self.query_one(Gallery)
        gallery.show([Tile(str(n), files[n % len(files)], f"photo {n}") for n in range(10_000)])
        gallery.focus()
Show(driver_class=QuietDriver).run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["half-blocks", "kitty", "sixel"])
def test_a_moved_cursor_costs_two_frames_in_any_way_of_drawing(tmp_path: Path, way: str) -> None:
    tiles(tmp_path, 40)
    with PtyTerminal([sys.executable, "-c", SHOW, way, str(tmp_path)], cwd=REPO) as terminal:
        terminal.receive_until(lambda came: b"photo 0" in came)
        terminal.receive_until_quiet(2.0)
        for key in (b"l", b"l", b"j", b"h", b"k"):
            terminal.send(key)
            moved = terminal.receive_until(lambda came: "┏".encode() in came) + terminal.receive_until_quiet(0.5)
            assert len(moved) <= MOST_BYTES_A_KEY, key
        assert terminal.receive(2.0) == b""
