"""Two runs side by side: what differs in their settings, their losses on one plot, their pictures of a prompt."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from curation.text import visible
from loratui.runs.comparison import Comparison, number_rows
from loratui.runs.sample_grid import SampleRow, pairs, sample_rows, steps_of
from loratui.screens.large_picture import LargePicture, Shown
from loratui.widgets.gallery import Gallery, Tile
from loratui.widgets.plot import Line, Plot
from loratui.widgets.row_list import Column, RowList

PANELS = ("differences", "curves", "pictures")
WEIGHTS = {"harmless": "", "learned": "changes what is learned", "impossible": "another LoRA"}


class Panel(Vertical, can_focus=True):
    """A plot with a frame, which can have the focus."""


class ComparePane(Vertical):
    """Three panels; where there is no room for all, the one with the focus is the large one."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._comparison: Comparison | None = None
        self._pairs: list[tuple[SampleRow, SampleRow]] = []
        self._step = 0
        self._details: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="no-comparison", classes="hint", markup=False)
        with Horizontal(id="comparison"):
            with Vertical(id="differences", classes="panel"):
                yield RowList([Column("Setting", 28), Column("", least=40), Column("")], id="difference-rows")
                yield Static(id="difference", classes="hint", markup=False)
            with Vertical(id="seen"):
                with Panel(id="curves", classes="panel"):
                    yield Plot("both-losses")
                with Vertical(id="pictures", classes="panel"):
                    yield Gallery(id="both-pictures", columns=2)
                    yield Static(id="pair", classes="hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#differences").border_title = "Differences"
        self.query_one("#curves").border_title = "Loss"
        self.clear("")

    def on_descendant_focus(self) -> None:
        """The panel with the focus is the one that gets the room, where there is none for all."""
        comparison, focused = self.query_one("#comparison"), self.screen.focused
        for panel in PANELS:
            has_focus = focused is not None and self.query_one(f"#{panel}") in focused.ancestors_with_self
            comparison.set_class(has_focus, f"-{panel}")

    @property
    def comparison(self) -> Comparison | None:
        """What is shown."""
        return self._comparison

    def clear(self, words: str) -> None:
        """Show nothing but these words."""
        self._comparison = None
        self.query_one("#no-comparison", Static).update(words)
        self.query_one("#no-comparison").display = True
        self.query_one("#comparison").display = False

    def show(self, comparison: Comparison) -> None:
        """Show two runs; pictures of the last step that both have are chosen first."""
        self._comparison = comparison
        self.query_one("#no-comparison").display = False
        self.query_one("#comparison").display = True
        one, other = (
            sample_rows(monitor, config)
            for monitor, config in zip(comparison.monitors, comparison.configs, strict=True)
        )
        self._pairs = pairs(one, other)
        self._step = max(self._steps, default=0)
        self._draw_differences(comparison)
        self._draw_curves(comparison)
        self._draw_pictures(comparison)

    def take_focus(self) -> None:
        if self._comparison:
            self.query_one("#difference-rows").focus()

    def move(self, by: int) -> None:
        """Show the pictures of the first run's next step, or the one before."""
        if self._comparison and self._step in self._steps:
            at = self._steps.index(self._step) + by
            self._step = self._steps[min(max(at, 0), len(self._steps) - 1)]
            self._draw_pictures(self._comparison)

    @property
    def _steps(self) -> list[int]:
        return steps_of([one for one, _ in self._pairs])

    def _draw_differences(self, comparison: Comparison) -> None:
        names = [monitor.name for monitor in comparison.monitors]
        cells: dict[str, tuple[str, ...]] = {"run": ("run", *names)}
        cells |= {
            f"number {name}": (name.replace("_", " "), one, other) for name, one, other in number_rows(comparison)
        }
        self._details = {}
        for difference in comparison.differences:
            one, other = (text if text is not None else "-" for text in (difference.before, difference.now))
            cells[difference.name] = (difference.name, one, other)
            meaning = WEIGHTS[difference.weight]
            self._details[difference.name] = f"{difference.name}{f' ({meaning})' if meaning else ''}: {one} / {other}"
        count = len(comparison.differences)
        self.query_one("#differences").border_subtitle = (
            f"{count} {'setting' if count == 1 else 'settings'}" if count else "same settings"
        )
        self.query_one("#difference-rows", RowList).show(cells, cells.__getitem__)

    def on_row_list_highlighted(self, event: RowList.Highlighted) -> None:
        event.stop()
        said = self.query_one("#difference", Static)
        words = visible(self._details.get(event.key, ""))
        if str(said.content) != words:
            said.update(words)
            said.display = bool(words)

    def _draw_curves(self, comparison: Comparison) -> None:
        one, other = comparison.monitors
        last = max(one.total_steps, other.total_steps, one.step, other.step, 1)
        lines = [Line(one.smoothed_losses), Line(other.smoothed_losses, "dashes")]
        self.query_one(Plot).show(lines, (0.0, float(last)))
        self.query_one("#curves").border_subtitle = Content(f"line: {one.name}, dashes: {other.name}")

    def _draw_pictures(self, comparison: Comparison) -> None:
        tiles = [
            Tile(f"{number}:{side}", shown.path, shown.title)
            for number, pair in enumerate(self._shown(comparison))
            for side, shown in enumerate(pair)
        ]
        gallery, frame = self.query_one(Gallery), self.query_one("#pictures")
        gallery.show(tiles, columns=2)
        frame.border_title = Content(f"Pictures, step {self._step}" if tiles else "Pictures")
        frame.border_subtitle = Content("< earlier, > later, enter: large" if tiles else "")
        if not tiles:
            self.query_one("#pair", Static).update("The two runs have no sample pictures to compare.")
        else:
            self._draw_words(gallery.key)

    def _shown(self, comparison: Comparison) -> list[list[Shown]]:
        """Each pair's pictures: of the step chosen, and of the other run's nearest."""
        names = [monitor.name for monitor in comparison.monitors]
        rows = []
        for one, other in self._pairs:
            step = one.nearest(self._step)
            steps = (step, other.nearest(step))
            rows.append(
                [
                    Shown(row.pictures[at], f"{name}, step {at}", f"seed {row.seed}: {row.prompt}")
                    for row, name, at in zip((one, other), names, steps, strict=True)
                ]
            )
        return rows

    def on_gallery_highlighted(self, event: Gallery.Highlighted) -> None:
        event.stop()
        self._draw_words(event.key)

    def _draw_words(self, key: str | None) -> None:
        number, side = _place(key)
        if number >= len(self._pairs):  # the message may tell of another comparison's tile
            return
        row = self._pairs[number][side]
        said = self.query_one("#pair", Static)
        words = visible(f"seed {row.seed}: {row.prompt}")
        if str(said.content) != words:
            said.update(words, layout=False)

    def on_gallery_chosen(self, event: Gallery.Chosen) -> None:
        event.stop()
        number, side = _place(event.key)
        if self._comparison and number < len(self._pairs):
            self.app.push_screen(LargePicture(self._shown(self._comparison), number, side))


def _place(key: str | None) -> tuple[int, int]:
    """The pair, and which of its two, that a tile's key tells."""
    number, _, side = (key or "0:0").partition(":")
    return int(number), int(side)
