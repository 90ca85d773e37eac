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
from loratui.findings import WHOLE_SET, Entry, photos_of, rule_name, rule_of, staying
from loratui.pictures import Mark
from loratui.widgets.gallery import Gallery, Tile
from loratui.widgets.picture import PictureView

REST_SECONDS = 0.08
"""A cursor that runs down a list sends no picture and no text for the lines that it only passes."""

MOST_MESSAGES = 8
"""Of a group: what its other findings say stands with each of them."""

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

    def show(self, entries: Sequence[Entry], place: Place) -> None:
        """Show these entries of a report, one or a group, as soon as no others are asked for."""
        self._rest.stop()
        self._rest = self.set_timer(REST_SECONDS, lambda: self._show(entries, place))

    def say(self, text: str) -> None:
        """A sentence where there is no finding to show."""
        self._rest.stop()
        self._show_photos([], lambda finding, name: Path(name))
        self._write(Text(text), Text(), Text())

    def focus_next_pane(self) -> None:
        """Let the keys move among photos, or the words where there are no several photos."""
        gallery = self.query_one(Gallery)
        (gallery if self.has_class("-several") else self.query_one("#finding-words", VerticalScroll)).focus()

    def _show(self, entries: Sequence[Entry], place: Place) -> None:
        findings = [entry for entry in entries if isinstance(entry, Finding)]
        self._show_photos(findings, place)
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

    def _show_photos(self, findings: Sequence[Finding], place: Place) -> None:
        of_photo: dict[Path, list[Finding]] = {}
        names: dict[Path, str] = {}
        for finding in findings:
            for name in finding.photos:
                path = place(finding, name)
                of_photo.setdefault(path, []).append(finding)
                names[path] = name
        picture, gallery = self.query_one(PictureView), self.query_one(Gallery)
        self.set_class(len(of_photo) == 1, "-one").set_class(len(of_photo) > 1, "-several")
        if len(of_photo) == 1:
            [(path, own)] = of_photo.items()
            picture.show(path, _marks(own, names[path]))
        elif of_photo:
            gallery.show(
                Tile(str(path), path, _label(own, names[path]), tuple(_marks(own, names[path])))
                for path, own in of_photo.items()
            )


def _marks(findings: Iterable[Finding], name: str) -> list[Mark]:
    regions = dict.fromkeys(region for finding in findings for region in finding.regions if region.photo == name)
    return [Mark(visible(one.label), one.left, one.top, one.width, one.height) for one in regions]


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
    lines = [
        f"{visible(name)}{' (kept when the others are left out)' if name in kept else ''}" for name in entry.photos
    ]
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
