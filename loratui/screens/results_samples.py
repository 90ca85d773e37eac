"""The sample pictures of a run: a row for each prompt, a column for each step."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from curation.text import visible
from loratui.runs.monitor import Monitor
from loratui.runs.sample_grid import SampleRow, spread, steps_of
from loratui.screens.large_picture import LargePicture, Shown
from loratui.widgets.gallery import LEAST_WIDTH, Gallery, Tile

NONE = "No sample pictures. They come while a run trains, with validation_steps set; {now}."


class SamplesPane(Vertical):
    """As many steps as there is room for, the first and the newest among them; a large picture goes through all."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="panel")
        self._rows: list[SampleRow] = []
        self._tiles: list[Tile] = []

    def compose(self) -> ComposeResult:
        yield Gallery()
        yield Static(id="no-samples", classes="hint", markup=False)
        yield Static(id="sample-words", classes="hint", markup=False)

    def on_mount(self) -> None:
        self.border_title = "Samples"

    def show(self, monitor: Monitor, rows: list[SampleRow]) -> None:
        """Show these rows of a run's grid."""
        self._rows = rows
        makes = (
            "`s` on screen 5 asks a run that trains for some" if monitor.active else "`n` makes pictures with this run"
        )
        words, none = "" if rows else NONE.format(now=makes), self.query_one("#no-samples", Static)
        if str(none.content) != words:
            none.update(words)
        self._draw()

    def take_focus(self) -> None:
        self.query_one(Gallery).focus()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self.size.width:  # not on the screen yet: how many steps fit is told by its first resize
            return
        gallery = self.query_one(Gallery)
        gallery.display = bool(self._rows)
        all_steps = steps_of(self._rows)
        steps = spread(all_steps, max((self.size.width - 2) // LEAST_WIDTH, 1))
        some = f"{len(steps)} of {len(all_steps)} steps, enter: all, large" if len(steps) < len(all_steps) else ""
        self.border_subtitle = Content(some or ("enter: large" if self._rows else ""))
        tiles = [
            Tile(f"{number}:{step}", row.pictures[row.nearest(step)], f"step {row.nearest(step)}")
            for number, row in enumerate(self._rows)
            for step in steps
        ]
        if tiles != self._tiles:
            self._tiles = tiles
            gallery.show(tiles, columns=max(len(steps), 1))
            self._draw_words(gallery.key)

    def on_gallery_highlighted(self, event: Gallery.Highlighted) -> None:
        self._draw_words(event.key)

    def _draw_words(self, key: str | None) -> None:
        number, _ = _place(key)
        row = self._rows[number] if number < len(self._rows) else None  # the message may tell of another run's tile
        words = f"seed {row.seed}: {row.prompt}" if row else ""
        said = self.query_one("#sample-words", Static)
        if str(said.content) != visible(words):
            said.update(visible(words), layout=False)

    def on_gallery_chosen(self, event: Gallery.Chosen) -> None:
        number, step = _place(event.key)
        if number >= len(self._rows):
            return
        rows = [
            [
                Shown(path, f"Step {step}, {at} of {len(row.pictures)}", f"seed {row.seed}: {row.prompt}")
                for at, (step, path) in enumerate(row.pictures.items(), start=1)
            ]
            for row in self._rows
        ]
        at = list(self._rows[number].pictures).index(self._rows[number].nearest(step))
        self.app.push_screen(LargePicture(rows, number, at))


def _place(key: str | None) -> tuple[int, int]:
    """The row and the step that a tile's key tells."""
    number, _, step = (key or "0:0").partition(":")
    return int(number), int(step)
