"""Photos as a list or as small pictures, whichever one likes better, with a field that filters them."""

from collections.abc import Callable, Collection, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from loratui.photos.photo_rows import COLUMNS, STATES
from loratui.widgets.gallery import Gallery, Tile
from loratui.widgets.row_list import Cell, RowList


class PhotoShelf(Vertical):
    """Both views show the same photos, and a turned view keeps its cursor's photo.

    cells, tile: draw the photo of that name in a row, and as a picture.  is_filtering: whether the field is there.
    """

    def __init__(self, cells: Callable[[str], Sequence[Cell]], tile: Callable[[str], Tile]) -> None:
        super().__init__(id="listing", classes="panel")
        self._cells, self._tile = cells, tile
        self.names: Sequence[str] = ()
        self.shows_pictures = False
        self.is_filtering = False

    def compose(self) -> ComposeResult:
        self.border_title = "Photos"
        yield Input(placeholder=f"words of names, or: {STATES}", id="filter", compact=True)
        yield RowList(COLUMNS)
        yield Gallery()

    @property
    def view(self) -> RowList | Gallery:
        """The list or the pictures, whichever is shown."""
        return self.query_one(Gallery if self.shows_pictures else RowList)

    @property
    def key(self) -> str | None:
        """The photo under the cursor."""
        return self.view.key

    def show(self, names: Sequence[str], marked: Collection[str]) -> None:
        """Show these photos."""
        self.names = names
        if self.shows_pictures:
            self.query_one(Gallery).show(map(self._tile, names))
        else:
            self.query_one(RowList).show(names, self._cells)
            self.query_one(RowList).mark(marked)
        self.query_one(RowList).display = not self.shows_pictures
        self.query_one(Gallery).display = self.shows_pictures

    def redraw(self, names: Collection[str], marked: Collection[str]) -> None:
        """Draw these again: they have changed, or their marks have."""
        if self.shows_pictures:
            self.query_one(Gallery).show(map(self._tile, self.names))
        else:
            rows = self.query_one(RowList)
            rows.mark(marked)
            rows.redraw(*names)

    def turn(self, marked: Collection[str]) -> None:
        """Go on with the other view."""
        key = self.key
        self.shows_pictures = not self.shows_pictures
        self.show(self.names, marked)
        self.view.focus()
        if key:
            self.view.go_to_key(key)

    def next(self) -> None:
        """Move the cursor to the next photo."""
        self.view.action_move(1)

    # The filter

    @property
    def words(self) -> list[str]:
        """What the filter looks for, in small letters."""
        return self._field.value.lower().split()

    def begin_filter(self) -> None:
        """Let words be typed; each change tells of itself, as the field's own messages do."""
        self._field.display = self.is_filtering = True
        self._field.focus()

    def end_filter(self) -> None:
        """Take the field and its words away."""
        self._field.display = self.is_filtering = False
        with self._field.prevent(Input.Changed):
            self._field.value = ""

    @property
    def _field(self) -> Input:
        return self.query_one("#filter", Input)
