"""Pictures on a screen: scaled and marked, in half blocks, by kitty's protocol, by sixel, or in words."""

import base64
import io
import os
import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len
from textual.app import App, ComposeResult

from benchmarks.tui_terminal import PtyTerminal
from curation.errors import CurationError
from loratui.terminal import kitty
from loratui.terminal.half_blocks import MOST_BYTES, as_half_blocks
from loratui.terminal.pictures import BRIGHT, DARK, Mark, Scaler, captions
from loratui.terminal.sixel import sixel
from loratui.widgets.picture import PictureView
from tests.loratui.tui import screen_text, wait_for

REPO = Path(__file__).parents[2]
FACE = Mark("face 0.93", 0.25, 0.25, 0.5, 0.5)

fractions = st.floats(-0.5, 1.5)
marks = st.builds(Mark, st.text(max_size=12), fractions, fractions, fractions, fractions)


def noise(width: int, height: int) -> Image.Image:
    """A picture without two neighbours alike: the dearest that there is."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def gradient(width: int, height: int) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack((x, y, 255 - x), axis=2).astype(np.uint8))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    gradient(600, 400).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of many colours, whatever this one is."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


# Scaling and marking


@pytest.mark.parametrize(("box", "size"), [((60, 60), (60, 40)), ((60, 20), (30, 20)), ((1000, 1000), (600, 400))])
def test_a_picture_fits_its_box_in_its_own_shape_and_is_never_made_larger(photo: Path, box, size) -> None:
    assert Scaler().scaled(photo, *box).size == size


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 120), st.integers(1, 60), st.lists(marks, max_size=3))
@settings(deadline=None, max_examples=60)
def test_any_picture_with_any_marks_fits_any_box_of_cells(width, height, columns, rows, drawn) -> None:
    scaled = Scaler().scaled(Image.new("RGB", (width, height)), columns, 2 * rows, drawn, double=True)
    assert scaled.width <= columns
    assert scaled.height <= 2 * rows
    assert scaled.height % 2 == 0


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), BRIGHT, (128, 128, 128)])
def test_a_mark_is_a_box_in_two_colours_so_that_it_shows_on_any_photo(ground: tuple[int, int, int]) -> None:
    pixels = np.asarray(Scaler().scaled(Image.new("RGB", (40, 40), ground), 40, 40, [FACE]))
    drawn = np.zeros((40, 40), dtype=bool)
    drawn[10:30, 10:30], drawn[11:29, 11:29] = True, False
    on_line = {tuple(int(value) for value in pixel) for pixel in pixels[drawn]}
    assert on_line == {BRIGHT, DARK}
    assert (pixels[~drawn] == ground).all()


def test_a_large_picture_has_a_thicker_line() -> None:
    pixels = np.asarray(Scaler().scaled(Image.new("RGB", (800, 800), "white"), 800, 800, [FACE]))
    assert (pixels[400, 200:204] != 255).any(axis=1).all()
    assert (pixels[400, 204:208] == 255).all()


def test_scaled_pictures_are_kept_until_their_file_changes(photo: Path) -> None:
    scaler = Scaler()
    first = scaler.scaled(photo, 60, 60)
    assert scaler.scaled(photo, 60, 60) is first
    assert scaler.scaled(photo, 60, 60, [FACE]) is not first
    Image.new("RGB", (500, 500), "red").save(photo)
    assert scaler.scaled(photo, 60, 60).size == (60, 60)


def test_no_more_is_kept_than_was_agreed(tmp_path: Path) -> None:
    scaler = Scaler(most_bytes=3 * 100)
    for number in range(3):
        Image.new("RGB", (10, 5)).save(tmp_path / f"{number}.png")
    first, second = (scaler.scaled(tmp_path / f"{number}.png", 10, 10) for number in (0, 1))
    assert scaler.scaled(tmp_path / "0.png", 10, 10) is first
    scaler.scaled(tmp_path / "2.png", 10, 10)  # the second was asked for longest ago
    assert scaler.scaled(tmp_path / "0.png", 10, 10) is first
    assert scaler.scaled(tmp_path / "1.png", 10, 10) is not second


def test_a_jpeg_of_a_hundred_megapixels_is_not_decoded_at_its_full_size(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (10_000, 10_000), "navy").save(path, quality=20)
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda image, *args, **kw: sizes.append(image.size) or resize(image, *args, **kw)
    )
    assert Scaler().scaled(path, 60, 60).size == (60, 60)
    assert max(sizes) <= (1250, 1250)


@pytest.mark.parametrize(
    "name", ["gone.jpg", "empty.jpg", "text.jpg", "folder.jpg", "pipe.jpg", "nul\0.jpg", "cut.png"]
)
def test_what_is_no_picture_is_told_in_a_sentence(tmp_path: Path, photo: Path, name: str) -> None:
    path = tmp_path / name
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "cut.png").write_bytes(photo.read_bytes()[:-200])
    with pytest.raises(CurationError):
        Scaler().scaled(path, 60, 60)


@given(st.lists(marks, max_size=6), st.integers(1, 80), st.integers(1, 40))
def test_labels_stand_on_the_picture_and_never_on_one_another(drawn: list[Mark], columns: int, rows: int) -> None:
    placed = captions(drawn, columns, rows)
    cells = [(label.x + at, label.y) for label in placed for at in range(cell_len(label.text))]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < columns and 0 <= y < rows for x, y in cells)


def test_a_label_stands_over_its_box_or_where_else_there_is_room() -> None:
    [over] = captions([FACE], 40, 20)
    assert (over.x, over.y, over.text) == (10, 4, " face 0.93 ")
    [below] = captions([Mark("a", 0.0, 0.0, 1.0, 0.5)], 40, 20)
    assert below.y == 11
    [within] = captions([Mark("whole", 0.0, 0.0, 1.0, 1.0)], 40, 20)
    assert within.y == 0


# Half blocks


def test_two_pixels_share_a_cell_and_neighbours_of_one_colour_a_segment() -> None:
    image = Image.new("RGB", (4, 2), "red")
    image.paste((0, 0, 255), (0, 1, 4, 2))
    image.paste((0, 255, 0), (3, 0, 4, 1))
    [line] = as_half_blocks(image)
    assert [segment.text for segment in line] == ["▀▀▀", "▀"]
    assert str(line[0].style) == "#ff0000 on #0000ff"
    assert str(line[1].style) == "#00ff00 on #0000ff"


@pytest.mark.parametrize("size", [(60, 56), (160, 90)])
def test_even_the_dearest_picture_sends_no_more_than_was_agreed(size: tuple[int, int]) -> None:
    lines = as_half_blocks(noise(*size), MOST_BYTES)
    sent = "".join(str(segment.style.render(segment.text)) for line in lines for segment in line if segment.style)
    assert len(sent.encode()) <= MOST_BYTES


def test_a_plain_picture_is_not_made_coarser_than_it_has_to_be() -> None:
    image = gradient(40, 40)
    lines = as_half_blocks(image, MOST_BYTES)
    assert lines == as_half_blocks(image)


# Sixel


def decoded_sixel(sequence: str) -> np.ndarray:
    """The pixels that a sequence draws, int, shape (height, width, 3); -1 where it draws none."""
    found = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', sequence, re.DOTALL)
    assert found
    width, height = int(found[1]), int(found[2])
    pixels = np.full((height + 5, width, 3), -1)
    palette: dict[int, list[float]] = {}
    colour, x, top = 0, 0, 0
    for define, red, green, blue, choose, count, repeated, single in re.findall(
        r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~$-])", found[3]
    ):
        if define:
            palette[int(define)] = [int(value) * 2.55 for value in (red, green, blue)]
        elif choose:
            colour = int(choose)
        elif single == "$":
            x = 0
        elif single == "-":
            x, top = 0, top + 6
        else:
            end = x + int(count or 1)
            for row in range(6):
                if ord(repeated or single) - 63 >> row & 1:
                    pixels[top + row, x:end] = palette[colour]
            x = end
    assert (pixels[height:] == -1).all()
    return pixels[:height]


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_sixel_draws_each_pixel_once_in_nearly_its_colour(width: int, height: int, seed: int) -> None:
    few = np.random.default_rng(seed).integers(0, 256, (4, 3), dtype=np.uint8)
    image = Image.fromarray(few[np.random.default_rng(seed + 1).integers(0, 4, (height, width))])
    assert np.abs(decoded_sixel(sixel(image)) - np.asarray(image)).max() <= 4


def test_a_photo_by_sixel_looks_like_itself() -> None:
    image = gradient(300, 200)
    assert np.abs(decoded_sixel(sixel(image)) - np.asarray(image)).mean() < 8


# Kitty


def decoded_kitty(received: bytes) -> tuple[dict[int, Image.Image], list[int]]:
    """The pictures that were sent, by their numbers, and the numbers that were deleted again."""
    pictures, deleted, data, number = {}, [], b"", 0
    for keys, payload in re.findall(rb"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\", received):
        options = dict(part.split(b"=") for part in keys.split(b","))
        assert len(payload) <= 4096
        if options.get(b"a") == b"d":
            deleted.append(int(options[b"i"]))
        elif options.get(b"a") != b"q":
            number = int(options.get(b"i", number))
            data += payload
            if options[b"m"] == b"0":
                pictures[number], data = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), b""
    assert not data
    return pictures, deleted


def test_a_picture_is_sent_in_chunks_that_add_up() -> None:
    image = noise(200, 100)
    commands = kitty.transmit(image, 7, 20, 5).encode()
    assert commands.count(b"\x1b_G") > 3
    pictures, _ = decoded_kitty(commands)
    assert pictures[7].size == image.size
    assert np.abs(np.asarray(pictures[7], dtype=int) - np.asarray(image)).mean() < 20


def test_each_placeholder_is_one_cell_and_tells_its_row_and_column() -> None:
    lines = kitty.placeholders(kitty.MOST_CELLS, 3)
    assert {cell_len(line) for line in lines} == {kitty.MOST_CELLS}
    assert len(set("".join(lines)[index : index + 3] for index in range(0, 9 * kitty.MOST_CELLS, 3))) == (
        3 * kitty.MOST_CELLS
    )


# The widget


class ViewApp(App[None]):
    def compose(self) -> ComposeResult:
        yield PictureView()


async def test_a_view_shows_the_photo_its_marks_and_what_is_wrong_with_it(photo: Path, tmp_path: Path, colours) -> None:
    app = ViewApp()
    async with app.run_test(size=(60, 20)) as pilot:
        view = app.query_one(PictureView)
        view.show(photo, [FACE])
        await wait_for(pilot, lambda: "face 0.93" in screen_text(pilot))
        assert "▀" in screen_text(pilot)
        view.show(tmp_path / "[red]\x1b.jpg")
        await wait_for(pilot, lambda: "[red]\\x1b.jpg cannot be read" in screen_text(pilot))
        view.show(noise(30, 30))
        await wait_for(pilot, lambda: "▀" in screen_text(pilot))
        view.show(None)
        await wait_for(pilot, lambda: "▀" not in screen_text(pilot))


async def test_without_colours_a_photo_is_its_name_and_size(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = ViewApp()
    async with app.run_test(size=(60, 20)) as pilot:
        app.query_one(PictureView).show(photo)
        await wait_for(pilot, lambda: "600 x 400" in screen_text(pilot))
        assert "photo.png" in screen_text(pilot)
        assert "▀" not in screen_text(pilot)


async def test_a_photo_that_takes_long_holds_nothing_up_and_hides_the_former_one(
    photo: Path, tmp_path: Path, colours, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, may_go = tmp_path / "slow.png", threading.Event()
    gradient(300, 300).save(slow)
    scaled = Scaler.scaled
    monkeypatch.setattr(
        Scaler,
        "scaled",
        lambda self, path, *args, **kw: (path != slow or may_go.wait(60)) and scaled(self, path, *args, **kw),
    )
    app = ViewApp()
    async with app.run_test(size=(60, 20)) as pilot:
        view = app.query_one(PictureView)
        view.show(photo)
        await wait_for(pilot, lambda: "▀" in screen_text(pilot))
        view.show(slow)
        await wait_for(pilot, lambda: "▀" not in screen_text(pilot))
        may_go.set()
        await wait_for(pilot, lambda: "▀" in screen_text(pilot))


SHOW = """
import sys
from pathlib import Path
from textual.screen import ModalScreen
from textual.widgets import Static
from loratui.picture_app import PictureApp
from loratui.terminal.pictures import Mark
from loratui.terminal.probe import Terminal
from loratui.widgets.picture import PictureView

class Question(ModalScreen):
    BINDINGS = [("x", "dismiss")]
    CSS = "Question { align: center middle; } Static { width: 20; }"
    def compose(self):
        yield Static("QUESTION")

class Show(PictureApp):
    CSS = "PictureView { width: 40; height: 20; }"
    BINDINGS = [("1", "show('one.png')"), ("2", "show('two.png')"), ("r", "redraw"), ("m", "ask"), ("q", "quit")]
    def compose(self):
        yield PictureView()
    def on_mount(self):
        self.use_pictures(sys.argv[1], Terminal(kitty=True, sixel=True, cell=(10, 20)))
    def action_show(self, name):
        self.query_one(PictureView).show(Path(sys.argv[2], name), [Mark("face", .25, .25, .5, .5)])
    def action_redraw(self):
        self.screen.refresh()
        self.query_one(PictureView).refresh()
    def action_ask(self):
        self.push_screen(Question())

Show().run()
"""


@pytest.fixture
def show(tmp_path: Path):
    """A program in a terminal that shows one of two pictures by a key; by `m` it asks a question over it."""
    gradient(400, 400).save(tmp_path / "one.png")
    Image.new("RGB", (400, 400), "teal").save(tmp_path / "two.png")
    opened: list[PtyTerminal] = []

    def start(way: str) -> PtyTerminal:
        opened.append(PtyTerminal([sys.executable, "-c", SHOW, way, str(tmp_path)], cwd=REPO))
        opened[-1].__enter__()
        opened[-1].receive_until(lambda came: b"\x1b[?1049h" in came)
        opened[-1].receive_until_quiet(1.0)
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.__exit__()


def pressed(terminal: PtyTerminal, key: bytes, awaited: bytes = b"") -> bytes:
    """What comes for a key: what is awaited, and then all until there is nothing more for a second."""
    terminal.send(key)
    return terminal.receive_until(lambda came: awaited in came) + terminal.receive_until_quiet(1.0)


@pytest.mark.slow
def test_kitty_gets_a_picture_once_and_forgets_it_when_another_comes(show) -> None:
    terminal = show("kitty")
    first = pressed(terminal, b"1", b"\x1b_Gq=2,m=0")
    pictures, _ = decoded_kitty(first)
    [(number, picture)] = pictures.items()
    assert picture.size == (400, 400)
    placeholder = f"\x1b[38;2;{number >> 16};{number >> 8 & 255};{number & 255}"
    assert placeholder in first.decode()
    assert kitty.PLACEHOLDER in first.decode()
    for repaint in (b"r", b"1", b"m", b"x"):  # the same picture again, and a question over it
        assert b"\x1b_G" not in pressed(terminal, repaint)
    pictures, deleted = decoded_kitty(pressed(terminal, b"2", b"\x1b_Ga=d"))
    assert len(pictures) == 1
    assert deleted == [number]
    assert list(pictures) == decoded_kitty(pressed(terminal, b"q", b"\x1b_Ga=d"))[1]


SIXEL = re.compile(r"\x1b7\x1b\[(\d+);(\d+)H(\x1bP.*?\x1b\\)", re.DOTALL)


@pytest.mark.slow
def test_sixel_is_drawn_at_its_place_after_the_cells_and_leaves_no_ghost_on_a_question(show) -> None:
    terminal = show("sixel")
    [(row, column, sequence)] = SIXEL.findall(pressed(terminal, b"1", b"\x1bP").decode())
    assert (int(row), int(column)) == (1, 1)
    pixels = decoded_sixel(sequence)
    assert pixels.shape == (400, 400, 3)
    assert np.abs(pixels[4:90, 4:] - np.asarray(gradient(400, 400), dtype=int)[4:90, 4:]).mean() < 8
    assert b"\x1bP" not in pressed(terminal, b"m")
    assert b"\x1bP" not in pressed(terminal, b"1")  # the same picture, under the question
    again = pressed(terminal, b"x", b"\x1bP").decode()
    assert set(SIXEL.findall(again)) == {(row, column, sequence)}
    assert again.rindex("\x1bP") > again.rindex(" " * 20)  # the cells first, then the picture
    [(_, _, other)] = SIXEL.findall(pressed(terminal, b"2", b"\x1bP").decode())
    assert other != sequence


@pytest.mark.slow
def test_a_key_goes_through_the_ways_and_ends_in_words(show) -> None:
    terminal = show("auto")
    for key, awaited in ((b"1", "\x1b_Ga=T"), (b"i", "\x1bP"), (b"i", "▀"), (b"i", "400 x 400"), (b"i", "\x1b_Ga=T")):
        assert awaited.encode() in pressed(terminal, key, awaited.encode())
