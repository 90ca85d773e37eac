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
from loratui.photos.findings import WHOLE_SET, Entry, photos_of, rule_name, rule_of, staying
from loratui.terminal.pictures import Mark
from loratui.widgets.gallery import LEAST_WIDTH, Gallery, Tile
from loratui.widgets.picture import PictureView

REST_SECONDS = 0.08
"""A cursor that runs down a list sends no picture and no text for the lines that it only passes."""

MOST_MESSAGES = 8
"""Of a group: what its other findings say stands with each of them."""

MOST_NAMED = 8
"""Photos in the words; the rest are beside them."""

MOST_TILES = 200
"""Nobody looks through more of one group, and a missing caption can be that of 10,000 photos."""

FEW = 4
"""So many photos stand in two columns, as large as can be; of more as many as can be told apart."""

Place = Callable[[Finding, str], Path]
"""Where a photo of a finding lies."""


class FindingView(Vertical):
    """One photo large, several side by side, none for a finding about the whole set; the words below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.step_out", "Back", show=False, id="finding.back", tooltip="Back to the list"),
    ]

    def __init__(self) -> None:
        super().__init__(id="finding-view", classes="panel")

    def compose(self) -> ComposeResult:
        yield PictureView(id="finding-picture")
        yield Gallery(id="finding-photos")
        with VerticalScroll(id="finding-words", can_focus=True):
            yield Static(id="finding-message", markup=False)
            yield Static(id="finding-facts", markup=False)
            yield Static(id="finding-rule", markup=False)

    def on_mount(self) -> None:
        self.border_title = "What it means"
        self._show_photos([], lambda finding, name: Path(name))
        self._rest = self.set_timer(REST_SECONDS, lambda: None)

    def show(self, entries: Sequence[Entry], place: Place, photo: str | None = None) -> None:
        """Show these entries of a report, one or a group, as soon as no others are asked for.

        photo: the only one to show, if there is one.
        """
        self._rest.stop()
        self._rest = self.set_timer(REST_SECONDS, lambda: self._show(entries, place, photo))

    def say(self, text: str) -> None:
        """A sentence where there is no finding to show."""
        self._rest.stop()
        self._show_photos([], lambda finding, name: Path(name))
        self._write(Text(text), Text(), Text())

    def focus_next_pane(self) -> None:
        """Let the keys move among photos, or the words where there are no several photos."""
        gallery = self.query_one(Gallery)
        (gallery if self.has_class("-several") else self.query_one("#finding-words", VerticalScroll)).focus()

    def _show(self, entries: Sequence[Entry], place: Place, photo: str | None) -> None:
        self._show_photos([entry for entry in entries if isinstance(entry, Finding)], place, photo)
        explanations = {entry.code: rule_of(entry).explanation for entry in entries}
        explained = next(iter(explanations.values())) if len(explanations) == 1 else ""
        if len(entries) == 1:
            self._write(_message(entries[0]), _facts(entries[0]), Text(f"\n{explained}", style="dim"))
        else:
            self._write(_summary(entries), Text(), Text(f"\n{explained}", style="dim"))

    def _write(self, message: Text, facts: Text, rule: Text) -> None:
        for name, text in (("message", message), ("facts", facts), ("rule", rule)):
            widget = self.query_one(f"#finding-{name}", Static)
            if widget.content != text:
                widget.update(text)
                widget.display = bool(text.plain)
        self.query_one("#finding-words", VerticalScroll).scroll_home(animate=False)

    def _show_photos(self, findings: Sequence[Finding], place: Place, only: str | None = None) -> None:
        of_photo: dict[Path, list[Finding]] = {}
        names: dict[Path, str] = {}
        for finding in findings:
            for name in (only,) if only else finding.photos[: MOST_TILES - len(of_photo)]:
                path = place(finding, name)
                of_photo.setdefault(path, []).append(finding)
                names[path] = name
        self.set_class(len(of_photo) == 1, "-one").set_class(len(of_photo) > 1, "-several")
        tiles = [
            Tile(str(path), path, _label(own, names[path]), _marks(own, names[path])) for path, own in of_photo.items()
        ]
        if len(tiles) == 1:
            self.query_one(PictureView).show(tiles[0].picture, tiles[0].marks)
        elif tiles:
            columns = 2 if len(tiles) <= FEW else max(self.size.width // LEAST_WIDTH, 2)
            self.query_one(Gallery).show(tiles, columns)


def _marks(findings: Iterable[Finding], name: str) -> tuple[Mark, ...]:
    regions = dict.fromkeys(region for finding in findings for region in finding.regions if region.photo == name)
    return tuple(Mark(visible(one.label), one.left, one.top, one.width, one.height) for one in regions)


def _label(findings: Iterable[Finding], name: str) -> str:
    return f"kept: {name}" if any(name in staying(finding) for finding in findings) else name


def _message(entry: Entry) -> Text:
    if isinstance(entry, Skipped):
        return Text.assemble((f"{entry.code} {rule_name(entry)} was not checked\n", "bold"), visible(entry.reason))
    head = f"{entry.severity} {entry.code} {entry.rule}\n"
    text = Text.assemble((head, "dim"), (visible(entry.message), "bold"))
    return text.append(f"\nTo do: {visible(entry.fix)}") if entry.fix else text


def _facts(entry: Entry) -> Text:
    if isinstance(entry, Skipped):
        return Text()
    kept = staying(entry)
    lines = [f"{visible(name)}{' (kept)' if name in kept else ''}" for name in entry.photos[:MOST_NAMED]]
    if len(entry.photos) > MOST_NAMED:
        lines.append(f"and {len(entry.photos) - MOST_NAMED} more")
    if entry.value is not None:
        limit = "" if entry.threshold is None else f", limit {_number(entry.threshold)}"
        lines.append(f"Measured: {_number(entry.value)}{limit}")
    return Text("\n".join(lines if entry.photos else [WHOLE_SET, *lines]))


def _summary(entries: Sequence[Entry]) -> Text:
    """A group in a few lines: what was found, each message once, and what to do."""
    findings = [entry for entry in entries if isinstance(entry, Finding)]
    rules = list(dict.fromkeys(f"{entry.code} {rule_name(entry)}" for entry in entries))
    head = f"{len(entries)} findings on {len(photos_of(findings))} photos: {', '.join(rules)}"
    text = Text(head, style="bold")
    said = dict.fromkeys(one.message for one in findings)
    for message in list(said)[:MOST_MESSAGES]:
        text.append(f"\n- {visible(message)}", style="not bold")
    if len(said) > MOST_MESSAGES:
        text.append(f"\n  and {len(said) - MOST_MESSAGES} more", style="not bold")
    for fix in dict.fromkeys(one.fix for one in findings if one.fix):
        text.append(f"\nTo do: {visible(fix)}", style="not bold")
    return text


def _number(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else visible(str(value))
