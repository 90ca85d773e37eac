"""What a finding says, beside the photos that it is about, with what it means drawn on them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from curation.report import Finding, Skipped
from curation.text import visible
from loratui.photos.findings import WHOLE_SET, Entry, photos_of, rule_name, staying
from loratui.picture_app import PictureApp
from loratui.terminal.pictures import Mark
from loratui.widgets.gallery import LEAST_WIDTH, Gallery, Tile
from loratui.widgets.picture import PictureView

REST_SECONDS = 0.08
"""A cursor that runs down a list sends no picture and no text for the lines that it only passes."""

MOST_MESSAGES = 3
"""Of a group: what its other findings say, and what to do about them, stands with each of them."""

MOST_NAMED = 4
"""Photos in the words; the rest are beside them."""

MOST_TILES = 200
"""Nobody looks through more of one group, and a missing caption can be that of 10,000 photos."""

FEW = 4
"""So many photos stand in two columns, as large as can be; of more as many as can be told apart."""

Place = Callable[[Finding, str], Path]
"""Where a photo of a finding lies."""


class FindingView(Vertical):
    """One photo large, several side by side, none for a finding about the whole set; the words below.

    The words are few, for all of them are sent with each move of the list's cursor: `explain` says why it matters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.step_out", "Back", show=False, id="finding.back", tooltip="Back to the list"),
    ]

    def __init__(self) -> None:
        super().__init__(id="finding-view", classes="panel")

    def compose(self) -> ComposeResult:
        yield PictureView(id="finding-picture")
        yield Gallery(id="finding-photos")
        with VerticalScroll(id="finding-words", can_focus=True):
            yield Static(markup=False)

    def on_mount(self) -> None:
        self.border_title = "What it means"
        self.border_subtitle = "e explains the rule"
        self._tiles: list[Tile] = []
        self._rest = self.set_timer(REST_SECONDS, lambda: None)
        if isinstance(self.app, PictureApp):
            self.watch(self.app, "picture_way", self._show_photos, init=False)

    def show(self, entries: Sequence[Entry], place: Place, photo: str | None = None) -> None:
        """Show these entries of a report, one or a group, as soon as no others are asked for.

        photo: the only one to show, if there is one.
        """
        self._rest.stop()
        self._rest = self.set_timer(REST_SECONDS, lambda: self._show(_words(entries), _tiles(entries, place, photo)))

    def say(self, text: str) -> None:
        """A sentence where there is no finding to show."""
        self._rest.stop()
        self._show(Text(text), [])

    def focus_next_pane(self) -> None:
        """Let the keys move among photos, or the words where there are no several photos."""
        gallery = self.query_one(Gallery)
        (gallery if self.has_class("-several") else self.query_one("#finding-words", VerticalScroll)).focus()

    def _show(self, words: Text, tiles: list[Tile]) -> None:
        self._tiles = tiles
        self._show_photos()
        widget = self.query_one(Static)
        if widget.content != words:
            widget.update(words)
        self.query_one("#finding-words", VerticalScroll).scroll_home(animate=False)

    def _show_photos(self) -> None:
        """Show the photos, unless pictures are off: the words name them, and then have all the room."""
        draws = not isinstance(self.app, PictureApp) or self.app.picture_way != "off"
        tiles = self._tiles if draws else []
        self.set_class(len(tiles) == 1, "-one").set_class(len(tiles) > 1, "-several")
        if len(tiles) == 1:
            self.query_one(PictureView).show(tiles[0].picture, tiles[0].marks)
        elif tiles:
            columns = 2 if len(tiles) <= FEW else max(self.size.width // LEAST_WIDTH, 2)
            self.query_one(Gallery).show(tiles, columns)


def _tiles(entries: Iterable[Entry], place: Place, only: str | None) -> list[Tile]:
    """The different photos of these entries, or the only one to show."""
    of_photo: dict[Path, list[Finding]] = {}
    names: dict[Path, str] = {}
    for finding in entries:
        if isinstance(finding, Finding):
            for name in (only,) if only else finding.photos[: MOST_TILES - len(of_photo)]:
                path = place(finding, name)
                of_photo.setdefault(path, []).append(finding)
                names[path] = name
    return [Tile(str(path), path, _label(own, names[path]), _marks(own, names[path])) for path, own in of_photo.items()]


def _marks(findings: Iterable[Finding], name: str) -> tuple[Mark, ...]:
    regions = dict.fromkeys(region for finding in findings for region in finding.regions if region.photo == name)
    return tuple(Mark(visible(one.label), one.left, one.top, one.width, one.height) for one in regions)


def _label(findings: Iterable[Finding], name: str) -> str:
    return f"kept: {name}" if any(name in staying(finding) for finding in findings) else name


def _words(entries: Sequence[Entry]) -> Text:
    return _about(entries[0]) if len(entries) == 1 else _summary(entries)


def _about(entry: Entry) -> Text:
    if isinstance(entry, Skipped):
        return Text.assemble((f"{entry.code} {rule_name(entry)} was not checked\n", "bold"), visible(entry.reason))
    lines = [f"To do: {visible(entry.fix)}"] if entry.fix else []
    lines.append(_names(entry))
    if entry.value is not None:
        limit = "" if entry.threshold is None else f", limit {_number(entry.threshold)}"
        lines.append(f"Measured: {_number(entry.value)}{limit}")
    return Text.assemble((visible(entry.message), "bold"), *(f"\n{line}" for line in lines))


def _names(finding: Finding) -> str:
    """Its photos, the kept ones called so."""
    kept = staying(finding)
    names = [f"{visible(name)}{' (kept)' if name in kept else ''}" for name in finding.photos[:MOST_NAMED]]
    more = len(finding.photos) - len(names)
    return ", ".join(names or [WHOLE_SET]) + (f" and {more} more" if more else "")


def _summary(entries: Sequence[Entry]) -> Text:
    """A group in a few lines: what was found, each message once, and what to do."""
    findings = [entry for entry in entries if isinstance(entry, Finding)]
    head = f"{len(entries)} findings on {len(photos_of(findings))} photos"
    said = _first_of([one.message for one in findings], "- ")
    to_do = _first_of([one.fix for one in findings if one.fix], "To do: ")
    return Text.assemble((head, "bold"), *(f"\n{line}" for line in (*said, *to_do)))


def _first_of(sentences: Iterable[str], sign: str) -> list[str]:
    """Each sentence once, behind the sign, and the number of those that are left out."""
    different = list(dict.fromkeys(sentences))
    more = [f"  and {len(different) - MOST_MESSAGES} more"] if len(different) > MOST_MESSAGES else []
    return [f"{sign}{visible(sentence)}" for sentence in different[:MOST_MESSAGES]] + more


def _number(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else visible(str(value))
