"""What all screens share: palette, help, themes, own keys, the log, errors and ends, in a real terminal too."""

import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.color import Color
from textual.command import CommandList
from textual.widget import Widget
from textual.widgets import Input, Static

from benchmarks.tui_terminal import PtyTerminal
from curation.dataset import open_dataset
from curation.errors import StatedError
from engine.rundir import Status
from loratui.app import ANSI_THEME, LoratuiApp
from loratui.project import Project
from loratui.screens.too_small import TooSmallScreen
from loratui.terminal.ascii_filter import in_ascii
from loratui.user.crash import MOST_REPORTS, write_crash_report
from loratui.user.preferences import Preferences, Ui, load_preferences
from loratui.user.user_folders import state_folder
from loratui.widgets.key_footer import KeyFooter
from loratui.widgets.row_list import RowList
from loratui.widgets.step_strip import StepStrip
from tests.loratui.made_runs import TOTAL, made_run, started, step
from tests.loratui.tui import NARROW, WIDE, app_on, go, screen_text, sees, wait_for

ROOT = Path(__file__).parents[2]
COLOUR = re.compile(rb"\x1b\[(?:[\d;:]*[;:])?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:[;:][\d;:]*)?m")

REVERSE = re.compile(rb"\x1b\[(?:\d+;)*7(?:;\d+)*m")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lora.toml and runs belong to the current folder."""
    monkeypatch.chdir(tmp_path)


def app_with(preferences: Preferences, first: str = "log") -> LoratuiApp:
    return LoratuiApp(Project(Path("runs")), first, preferences)


# Palette, help, footer


async def test_the_palette_does_what_another_screen_offers(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "ctrl+p")
        await pilot.press(*"log: filter".replace(" ", "_").split("_")[0])
        await sees(pilot, "Log: Filter")
        await go(pilot, "enter")
        await wait_for(pilot, lambda: pilot.app.current_mode == "log")
        await wait_for(pilot, lambda: isinstance(pilot.app.focused, Input))


async def test_what_another_screen_cannot_do_now_is_said() -> None:
    async with app_with(Preferences(), "home").run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "ctrl+p")
        await pilot.press(*"log:copy")
        await sees(pilot, "Log: Copy")
        await go(pilot, "enter")
        await sees(pilot, "not possible there now")


async def test_a_theme_is_chosen_and_kept() -> None:
    async with app_with(Preferences()).run_test(notifications=True, size=WIDE) as pilot:
        pilot.app.action_change_theme()
        await pilot.pause(0.3)
        await pilot.press(*"gruvbox")
        await sees(pilot, "gruvbox")
        await go(pilot, "enter")
        await wait_for(pilot, lambda: pilot.app.theme == "gruvbox")
    assert load_preferences().ui.theme == "gruvbox"


def contrast(one: Color, other: Color) -> float:
    """The ratio of two colours' luminances, from 1 to 21, as WCAG 2 reckons it."""

    def luminance(colour: Color) -> float:
        parts = [part / 255 for part in colour.get_truecolor()]
        red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


async def test_what_is_under_the_cursor_is_legible_in_every_theme(photos: Path) -> None:
    async with app_on(photos).run_test(size=WIDE) as pilot:
        await go(pilot)
        rows = pilot.app.screen.query_one(RowList)
        rows.focus()
        for theme in pilot.app.available_themes:
            if theme.startswith("ansi"):  # reverse there, in the terminal's own colours
                continue
            pilot.app.theme = theme
            await pilot.pause()
            cursor = rows.get_component_rich_style("row-list--cursor")
            assert cursor.color and cursor.bgcolor and contrast(cursor.color, cursor.bgcolor) > 3, theme


async def test_an_unknown_theme_is_told_and_the_default_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    async with app_with(Preferences(ui=Ui(theme="purple"))).run_test(notifications=True, size=WIDE) as pilot:
        await sees(pilot, "There is no theme purple.")
        assert pilot.app.theme == "textual-dark"


async def test_help_lists_the_keys_of_the_screen_and_of_everywhere() -> None:
    async with app_with(Preferences()).run_test(notifications=True, size=(120, 60)) as pilot:
        text = await go(pilot, "f1")
        assert "Show only entries that hold these words" in text
        assert "Row list" in text and "Everywhere" in text and "Search all actions" in text
        assert "Everywhere" not in await go(pilot, "escape")


async def test_the_last_line_is_pressed_by_a_click() -> None:
    async with app_with(Preferences()).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot)
        footer = pilot.app.screen.query_one(KeyFooter)
        await pilot.click(footer, offset=(screen_text(pilot).splitlines()[-1].index("Help"), 0))
        await sees(pilot, "Everywhere")


async def test_a_click_on_the_strip_goes_to_the_step() -> None:
    async with app_with(Preferences()).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot)
        await pilot.click(StepStrip, offset=(screen_text(pilot).splitlines()[0].index("Recipe"), 0))
        await wait_for(pilot, lambda: pilot.app.current_mode == "recipe")


# Keys of one's own


async def test_an_action_is_done_by_the_key_it_was_given_and_shown_with_it() -> None:
    preferences = Preferences(keys={"app.log": "f3", "app.help": "f2", "log.filter": "w"})
    async with app_with(preferences, "home").run_test(notifications=True, size=WIDE) as pilot:
        await go(pilot, "f3")
        assert pilot.app.current_mode == "log"
        assert " w Filter" in screen_text(pilot).splitlines()[-1]
        text = await go(pilot, "f2")
        assert re.search(r"\bw +Filter: Show", text) and re.search(r"\bf3 +Log", text)


async def test_a_key_that_cannot_be_had_is_told_at_the_start() -> None:
    async with app_with(Preferences(keys={"log.copy": "ctrl+b"})).run_test(notifications=True, size=WIDE) as pilot:
        await sees(pilot, "[keys] log.copy: ctrl+b cannot be had, for tmux takes it. Choose another key.")


# Size


async def test_a_window_that_is_too_small_says_so_until_it_is_large_enough(photos: Path) -> None:
    async with app_on(photos).run_test(notifications=True, size=NARROW) as pilot:
        await go(pilot, "L", "slash", "x")
        await pilot.resize_terminal(60, 20)
        await sees(pilot, "loratui needs 80 columns and 22 lines; here are 60 and 20.")
        await go(pilot, "3")
        await pilot.resize_terminal(70, 20)
        await sees(pilot, "here are 70 and 20.")
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: not isinstance(pilot.app.screen, TooSmallScreen))
        assert pilot.app.current_mode == "log"
        assert isinstance(pilot.app.focused, Input) and pilot.app.focused.value == "x"


async def test_a_window_that_is_too_small_from_the_start_says_so_and_q_leaves() -> None:
    app = app_with(Preferences())
    async with app.run_test(notifications=True, size=(40, 10)) as pilot:
        await sees(pilot, "needs 80 columns")
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


# Signs, colours


async def test_with_ascii_every_character_is_one(photos: Path) -> None:
    app = LoratuiApp(Project(Path("runs")), "photos", Preferences(ui=Ui(glyphs="ascii")))
    app.project.open(photos)
    async with app.run_test(notifications=True, size=WIDE) as pilot:
        for key in ("0", "1", "2", "3", "4", "5", "6", "L", "question_mark"):
            text = await go(pilot, key)
            assert text.replace("\u2026", "").isascii(), {sign for sign in text if not sign.isascii()}


@pytest.mark.parametrize("text", ["╭─ x ─╮", "日本 a", "👩‍👩‍👧 family", "a\u0301b", "✓ ✗ …"])
def test_a_text_in_ascii_is_as_wide_as_it_was(text: str) -> None:
    from rich.cells import cell_len

    assert in_ascii(text).isascii()
    assert len(in_ascii(text)) == cell_len(text)


async def test_sixteen_colours_are_the_terminal_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    async with app_with(Preferences()).run_test(size=NARROW) as pilot:
        assert pilot.app.theme == ANSI_THEME


def is_marked(widget: Widget, line: int) -> bool:
    """Whether something on a line of a widget is told apart by more than colour."""
    return any(part.style and (part.style.reverse or part.style.underline) for part in widget.render_line(line))


async def test_without_colours_one_sees_the_cursor_of_fields_and_of_the_palette(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with app_with(Preferences(), "home").run_test(size=NARROW) as pilot:
        await go(pilot, "o")
        field = pilot.app.screen.query_one(Input)
        assert field.has_focus and is_marked(field, 0)
        await go(pilot, "escape", "ctrl+p")
        await wait_for(pilot, lambda: bool(pilot.app.screen.query_one(CommandList).option_count))
        commands = pilot.app.screen.query_one(CommandList)
        assert [is_marked(commands, line) for line in range(4)] == [True, True, False, False]


# The log


async def test_the_end_of_a_run_is_told_on_screens_that_do_not_show_it() -> None:
    run = made_run(Path("runs"), "dog", "running", [started("dog"), step(1)])
    project = Project(Path("runs"))
    with run.lock():
        project.watch(run)
        async with LoratuiApp(project, "photos").run_test(notifications=True, size=NARROW) as pilot:
            await sees(pilot, "5 Train ▶")
            run.write_status(Status(state="failed", step=1, total_steps=TOTAL))
            await sees(pilot, "5 Train ✗", "The run dog: failed at step 1 of 1000.")


async def test_what_was_said_stands_in_the_log_and_in_its_file() -> None:
    async with app_with(Preferences()).run_test(notifications=True, size=WIDE) as pilot:
        app = pilot.app
        assert isinstance(app, LoratuiApp)
        app.notify("[red] is a word", markup=False)
        try:
            raise StatedError("The [/disk] is full.\x1b[2J", "Make room.")
        except StatedError as error:
            app.tell(error)
        await go(pilot, "0", "L")
        await sees(pilot, "[red] is a word", r"The [/disk] is full.\x1b[2J Make room.", "Traceback")
        await go(pilot, "slash", *"word")
        assert list(app.screen.query_one(RowList).keys) == ["0"]
        await go(pilot, "escape")
        assert isinstance(app.focused, RowList)
        await go(pilot, "y")
        assert app.clipboard == "[red] is a word"
        await go(pilot, "Y")
        assert app.clipboard == str(state_folder() / "log.txt")
    written = (state_folder() / "log.txt").read_text("utf-8")
    assert "error The [/disk] is full." in written and "Traceback" in written


async def test_a_log_file_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    async with app_with(Preferences()).run_test(notifications=True, size=WIDE) as pilot:
        pilot.app.notify("a word")
        await go(pilot, "0", "L")
        await sees(pilot, "a word")


# Errors that nobody expected


async def test_a_crash_saves_captions_and_leaves_a_report(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = app_on(photos)
    with pytest.raises(ZeroDivisionError):
        async with app.run_test(notifications=True, size=WIDE) as pilot:
            await go(pilot, "3")
            app.project.unsaved["cat.png"] = "a secret caption"
            await go(pilot, "slash", "s", "escape")
            app.call_later(lambda: 1 // 0)
            await pilot.pause()
    assert open_dataset(photos).photos[1].caption == "a secret caption"
    report = next((state_folder() / "crashes").glob("*.txt")).read_text("utf-8")
    assert "ZeroDivisionError" in report and "screen: captions" in report and "textual: 8" in report
    assert "last keys: 3 slash text escape" in report
    assert "secret" not in report


def test_of_crash_reports_the_last_few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_averysecrettoken")
    folder = state_folder() / "crashes"
    folder.mkdir(parents=True)
    for number in range(MOST_REPORTS + 3):
        (folder / f"20200101-0000{number:02}.txt").write_text("")
    path = write_crash_report(ValueError("hf_averysecrettoken"), "home", ["q"], "")
    assert len(list(folder.glob("*.txt"))) == MOST_REPORTS
    assert path.exists() and "hf_averysecrettoken" not in path.read_text("utf-8")


# In a terminal


@contextmanager
def terminal(photos: Path, size: tuple[int, int] = NARROW, **environment: str) -> Iterator[PtyTerminal]:
    """`loratui --photos PHOTOS` in a terminal of its own, once its first screen stands."""
    command = [sys.executable, "-m", "loratui", "--photos", str(photos)]
    environ = {"PYTHONPATH": str(ROOT), **environment}
    with PtyTerminal(command, size, environ=environ, cwd=Path.cwd()) as screen:
        screen.receive_until(lambda sent: b"astronaut.png" in sent, 120)
        screen.receive_until_quiet(1.5)
        yield screen


@pytest.mark.slow
def test_without_colours_none_is_sent(photos: Path) -> None:
    with terminal(photos, NO_COLOR="1") as screen:
        for key in b"0234567L?":
            screen.send(bytes([key]))
            screen.receive_until_quiet(1.0)
        assert not COLOUR.search(screen.received)
        assert REVERSE.search(screen.received)  # the cursor


@pytest.mark.slow
def test_a_mouse_that_moves_over_a_screen_sends_nothing(photos: Path) -> None:
    with terminal(photos) as screen:
        assert b"\x1b[?1003h" not in screen.received and b"\x1b[?1002h" in screen.received
        for key in b"02346L":
            screen.send(bytes([key]))
            screen.receive_until_quiet(2.0)
            for row in range(1, 25):
                screen.send(b"\x1b[<35;%d;%dM" % (3 * row, row))
            assert screen.receive(1.0) == b""


ENDS = ("the terminal closes", "SIGHUP", "SIGTERM")


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_it_what_was_typed_is_saved(photos: Path, end: str) -> None:
    with terminal(photos) as screen:
        screen.send(b"3")
        screen.receive_until_quiet(2.0)
        screen.send(b"e")
        screen.receive_until_quiet(1.0)
        screen.send(b"a TOK astronaut")
        screen.receive_until(lambda sent: b"t" in sent)
        screen.receive(0.3)
        end_it(screen, end)
    assert open_dataset(photos).photos[0].caption == "a TOK astronaut"


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_it_settings_that_are_not_in_lora_toml_are_back(photos: Path, end: str) -> None:
    with terminal(photos) as screen:
        screen.send(b"4")
        screen.receive_until_quiet(2.0)
        screen.send(b"/max_train_steps\r")
        screen.receive_until_quiet(1.0)
        screen.send(b"e")
        screen.receive_until_quiet(1.0)
        screen.send(b"80")
        screen.receive_until(lambda sent: b"0" in sent)
        screen.receive(0.3)
        end_it(screen, end)
    project = Project(Path("runs"))
    project.open(photos)
    assert project.recipe.unwritten() == {"run.max_train_steps": "80"}


def end_it(screen: PtyTerminal, end: str) -> None:
    if end == "the terminal closes":
        os.close(screen._master)
        screen._master = os.open(os.devnull, os.O_RDONLY)
    else:
        screen.process.send_signal(signal.SIGHUP if end == "SIGHUP" else signal.SIGTERM)
        screen.receive_until_quiet(1.0)
    screen.process.wait(60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "said"),
    [("[data]\nresolutoin = 64\n", b"resolutoin"), ('[data]\ninstance_data_dir = "last-year"\n', b"last-year")],
)
def test_a_lora_toml_that_does_not_open_its_photos_is_told(config: str, said: bytes) -> None:
    Path("lora.toml").write_text(config)
    environ = {"PYTHONPATH": str(ROOT)}
    with PtyTerminal([sys.executable, "-m", "loratui"], WIDE, environ=environ, cwd=Path.cwd()) as screen:
        screen.receive_until(lambda sent: said in sent, 120)
        screen.send(b"q")
        assert screen.process.wait(60) == 0


@pytest.mark.slow
def test_a_crash_is_told_in_one_sentence_once_the_terminal_is_back(photos: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from loratui.session import run_app; from loratui.app import LoratuiApp\n"
        "LoratuiApp.action_redraw = lambda self: 1 // 0\n"
        "run_app(Path(sys.argv[1]), Path('runs'))"
    )
    command = [sys.executable, "-c", program, str(photos)]
    with PtyTerminal(command, NARROW, environ={"PYTHONPATH": str(ROOT)}, cwd=Path.cwd()) as screen:
        screen.receive_until(lambda sent: b"astronaut.png" in sent, 120)
        screen.send(b"\x0c")
        screen.receive_until(lambda sent: b"crashes" in sent)
        screen.process.wait(60)
        last = " ".join(screen.received.rpartition(b"\x1b[?1049l")[2].decode().split())
    assert "loratui stopped: ZeroDivisionError" in last and "What was typed is saved" in last
    assert "Traceback" not in last


# The page of keys


def test_the_page_of_keys_is_what_its_writer_writes() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "write_keys.py"))["page"]()
    assert (ROOT / "docs" / "keys.md").read_text("utf-8") == page, "run: python docs/write_keys.py"


def test_the_page_is_the_same_whoever_writes_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import runpy; print(runpy.run_path('docs/write_keys.py')['page']())"],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C", "NO_COLOR": "1"},
        capture_output=True,
        check=True,
    )
    assert b"| `esc` | `step.cancel_job` | Cancel |" in done.stdout


# Layout


async def test_words_that_change_twice_at_once_get_the_room_of_the_last_ones() -> None:
    async with app_on(None).run_test(size=NARROW) as pilot:
        screen = pilot.app.screen
        words = Static()
        words.styles.width = "auto"
        await screen.mount(words)
        words.update("short")
        screen._refresh_layout()  # as it may come on a loaded machine
        words.update("words that are longer")
        await wait_for(pilot, lambda: words.size.width == len("words that are longer"))
