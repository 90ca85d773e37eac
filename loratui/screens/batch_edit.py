"""One edit for many captions, its changes shown as they would be before anything is written."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from curation.captions import CaptionChange, Edit, Filter, in_words, preview
from curation.dataset import Dataset
from curation.errors import CurationError
from curation.text import counted, visible
from loratui.captions.batch_edits import OPERATIONS, Operation, changed_span
from loratui.captions.time_limit import time_limit
from loratui.terminal.glyphs import glyphs
from loratui.widgets.row_list import Column, RowList

MOST_FIELDS = max(len(operation.fields) for operation in OPERATIONS)
LEAD = 16
"""Characters shown before the first one that differs."""
PART = 100
"""Captions worked out without hearing a key."""
PATIENCE_SECONDS = 1.0
"""For that many: a thousand times what a common expression takes."""
TAKES_TOO_LONG = CurationError(
    "The expression takes too long: it can match a caption in too many ways.",
    "Let nothing be repeated that repeats itself, such as (a+)+.",
)


@dataclass(frozen=True)
class Batch:
    """An edit that is to be applied.  summary: what the journal calls it.  words: the texts it was made of."""

    summary: str
    changes: Sequence[CaptionChange]
    words: Mapping[str, str]


class BatchEditScreen(ModalScreen[Batch | None]):
    """Dismisses with what is to be written, or None.

    scopes: which photos, in words, with their names.  words: what texts begin with, by the fields' names.
    """

    CSS_PATH = "batch_edit.tcss"
    AUTO_FOCUS = "#operations"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", id="batch_edit.leave", tooltip="Leave all captions as they are"),
    ]

    def __init__(self, dataset: Dataset, scopes: Mapping[str, Sequence[str]], words: Mapping[str, str]) -> None:
        super().__init__()
        self._dataset = dataset
        self._scopes = scopes
        self._words = dict(words)
        self._edit: Edit | None = None
        self._changes: Sequence[CaptionChange] = ()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="batch"):
            with Horizontal(id="asked"):
                yield RowList([Column("Edit")], id="operations")
                with Vertical(id="texts"):
                    yield Static(id="hint", markup=False)
                    for number in range(MOST_FIELDS):
                        with Horizontal(classes="field", id=f"field-{number}"):
                            yield Label("", markup=False)
                            yield Input(id=f"text-{number}", compact=True)
                    with Horizontal(classes="field"):
                        yield Label("for", markup=False)
                        yield Select(
                            [(Text(scope), scope) for scope in self._scopes],
                            value=next(iter(self._scopes)),
                            allow_blank=False,
                            compact=True,
                            id="scope",
                        )
            yield Static(id="summary", markup=False)
            yield RowList([Column("Photo", 16, 70), Column("What would change")], id="changes")
            with Horizontal(id="buttons"):
                yield Button("Cancel (esc)", id="cancel", compact=True)
                yield Button("Apply", id="apply", compact=True)

    def on_mount(self) -> None:
        self.query_one("#batch").border_title = "Edit many captions"
        self.query_one("#operations", RowList).show([each.name for each in OPERATIONS], lambda name: (name,))
        self._ask()

    @property
    def _operation(self) -> Operation:
        return OPERATIONS[self.query_one("#operations", RowList).row]

    def _ask(self) -> None:
        """Ask for the texts of the operation under the cursor."""
        operation = self._operation
        self.query_one("#hint", Static).update(operation.hint)
        for number in range(MOST_FIELDS):
            row, field = self.query_one(f"#field-{number}"), self.query_one(f"#text-{number}", Input)
            row.display = number < len(operation.fields)
            if row.display:
                row.query_one(Label).update(operation.fields[number])
                with field.prevent(Input.Changed):
                    field.value = self._words.get(operation.fields[number], "")
        self._preview()

    def _preview(self) -> None:
        texts = [self.query_one(f"#text-{number}", Input).value for number in range(len(self._operation.fields))]
        scope = self.query_one("#scope", Select).value
        self._work_out(self._operation, texts, self._scopes[str(scope)])

    @work(exclusive=True)
    async def _work_out(self, operation: Operation, texts: Sequence[str], names: Sequence[str]) -> None:
        """Work out what would change, a part at a time: between the parts keys are heard, and the next ends this."""
        changes: list[CaptionChange] = []
        try:
            edit, context = operation.edit(texts)
            for part in _parts(self._dataset, frozenset(names)):
                with time_limit(PATIENCE_SECONDS):
                    changes += preview(part, edit, Filter(), context)
                await asyncio.sleep(0)
        except CurationError as refused:
            self._show(None, (), refused)
        except TimeoutError:
            self._show(None, (), TAKES_TOO_LONG)
        else:
            self._show(edit, changes, None)

    def _show(self, edit: Edit | None, changes: Sequence[CaptionChange], error: CurationError | None) -> None:
        """Show what the edit would change, or why it would not."""
        self._edit, self._changes = edit, changes
        summary = self.query_one("#summary", Static)
        if error:
            said = visible(f"{error.problem} {error.remedy}")
        elif changes:
            said = f"{counted(len(changes), 'caption')} would change:"
        else:
            said = "No caption would change."
        summary.update(said)
        summary.set_class(error is not None, "-wrong")
        self.query_one("#apply", Button).disabled = not changes
        by_photo = {change.photo: change for change in changes}
        keys = [f"{sign}{name}" for name in by_photo for sign in "-+"]
        self.query_one("#changes", RowList).show(keys, partial(_cells, by_photo))

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        if message.row_list.id == "operations":
            self._ask()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        self.focus_next()

    def on_input_changed(self, event: Input.Changed) -> None:
        operation = self._operation
        number = int((event.input.id or "").removeprefix("text-"))
        if number < len(operation.fields):
            self._words[operation.fields[number]] = event.value
            self._preview()

    def on_input_submitted(self) -> None:
        self.focus_next()

    def on_select_changed(self) -> None:
        self._preview()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "apply" and self._edit and self._changes:
            self.dismiss(Batch(in_words(self._edit, self._changes), self._changes, self._words))
        else:
            self.dismiss(None)

    def action_leave(self) -> None:
        self.dismiss(None)


def _parts(dataset: Dataset, names: Collection[str]) -> Iterator[Dataset]:
    """The dataset with the photos of these names, some at a time."""
    photos = iter([photo for photo in dataset.photos if photo.name in names])
    while part := tuple(islice(photos, PART)):
        yield replace(dataset, photos=part)


def _cells(changes: Mapping[str, CaptionChange], key: str) -> tuple[str, Text]:
    """A line of the diff, from a little before what differs, which stands out."""
    sign, change = key[0], changes[key[1:]]
    before, after = visible(change.before or ""), visible(change.after)
    (start, end_before), (_, end_after) = changed_span(before, after)
    text, end = (before, end_before) if sign == "-" else (after, end_after)
    line = Text(f"{sign} {text}", "red" if sign == "-" else "green")
    line.stylize("bold reverse", start + 2, end + 2)
    if start > LEAD:
        line = Text.assemble((f"{sign} {glyphs().cut}", line.style), line[start + 2 - LEAD :])
    return change.photo if sign == "-" else "", line
