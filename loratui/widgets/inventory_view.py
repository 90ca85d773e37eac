"""What a folder holds, in a few lines; in two where there is no room for more."""

from collections.abc import Sequence

from rich.text import Text
from textual.widget import Widget

from engine.data.buckets import Size
from loratui.photos.inventory import Inventory
from loratui.photos.photo_rows import counted

NO_FOLDER = "No photos are open.\no: type the path of a folder; 0: the last ones"
LABEL_WIDTH = 9
MOST_LISTED = 4


class InventoryView(Widget):
    """Repaints itself only when it says something else."""

    DEFAULT_CSS = "InventoryView { text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self) -> None:
        super().__init__(id="inventory", classes="panel")
        self.border_title = "What is there"
        self._lines: Sequence[tuple[str, str]] = ()
        self._short: Sequence[str] = (NO_FOLDER,)

    def show(self, inventory: Inventory | None, trained: int, left_out: int) -> None:
        """Show the counts of `trained` photos to train on, as far as they were looked at."""
        lines = list(_lines(inventory, trained, left_out)) if inventory else []
        short = _short(inventory, trained, left_out) if inventory else [NO_FOLDER]
        if (lines, short) != (self._lines, self._short):
            self._lines, self._short = lines, short
            self.refresh()

    def render(self) -> Text:
        if not self._lines or self.size.height < len(self._lines) // 2:
            return Text("\n".join(self._short))
        text = Text()
        for label, words in self._lines:
            text.append(f"{label:{LABEL_WIDTH}}", "dim").append(f"{words}\n")
        return text


def _lines(inventory: Inventory, trained: int, left_out: int) -> list[tuple[str, str]]:
    unreadable = f", {inventory.unreadable} unreadable" if inventory.unreadable else ""
    lines = [("Photos", f"{trained} to train on, {left_out} left out{unreadable}")]
    if not inventory.readable:
        return lines
    smallest, middle, largest = map(_pixels, inventory.sizes)
    enlarged = inventory.enlarged
    return [
        *lines,
        ("Pixels", f"{smallest} to {largest}"),
        ("", f"median {middle}"),
        ("", f"{enlarged or 'none'} below the resolution of {inventory.resolution}"),
        ("Formats", counted(inventory.formats.most_common(MOST_LISTED))),
        (
            "Crops",
            ", ".join(f"{count} of {_pixels(size)}" for size, count in inventory.buckets.most_common(MOST_LISTED)),
        ),
        ("Shots", _shots(inventory)),
    ]


def _short(inventory: Inventory, trained: int, left_out: int) -> list[str]:
    if not inventory.readable:
        return [f"{trained} to train on, {left_out} left out"]
    smallest, _, largest = map(_pixels, inventory.sizes)
    small = f", {inventory.enlarged} below {inventory.resolution}" if inventory.enlarged else ""
    return [
        f"{trained} to train on, {left_out} left out: {smallest} to {largest}{small}",
        f"{counted(inventory.formats.most_common(2))}; shots: {_shots(inventory)}",
    ]


def _shots(inventory: Inventory) -> str:
    known = sum(inventory.shots.values())
    if not known:
        return "told by the checks (key 2)"
    rest = inventory.readable - known
    return counted(inventory.shots.most_common()) + (f"; {rest} not known" if rest else "")


def _pixels(size: Size) -> str:
    return f"{size[1]} x {size[0]}"
