"""What somebody must know, and agree to, before a run goes on: the same on the command line and on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from curation.text import visible
from engine.errors import EngineError
from engine.rundir import RunDir
from engine.training.manifest import checkpoint_folders

if TYPE_CHECKING:
    from engine.differences import Difference
    from engine.start import Resumption


@dataclass(frozen=True)
class Changes:
    """notes: sentences.  groups: what has changed since the checkpoint, with what that means.

    question: what would happen, to be agreed to; None where nothing weighs.  instead: what else could be done.
    refusal: why it cannot go on at all.
    """

    notes: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[Difference, ...]], ...] = ()
    question: str | None = None
    instead: str = ""
    refusal: EngineError | None = None

    @property
    def page(self) -> Text:
        """All of it, to be read before one agrees."""
        parts = []
        for heading, differences in self.groups:
            parts += [Text(heading, "bold"), *map(lines_of, differences), Text()]
        return Text("\n").join([*parts, Text(visible(f"{self.question} Is that meant?"))])


def lines_of(difference: Difference) -> Text:
    """A change like one of a file: a line that went and a line that came, in full."""
    what = " (added)" if difference.before is None else " (removed)" if difference.now is None else ""
    lines = [Text(f"  {visible(difference.name)}{what}")]
    for sign, style, text in (("-", "red", difference.before), ("+", "green", difference.now)):
        if text is not None:
            lines.append(Text(f"  {sign} {visible(text)}", style))
    return Text("\n").join(lines)


def changes_since(run: RunDir, resumption: Resumption) -> Changes:
    """Weigh what `resumption` found."""
    notes = resumption.passed_over
    if resumption.checkpoint is None:
        if not checkpoint_folders(run):
            return Changes(notes)
        question = f"None of {run.name}'s checkpoints is whole: it would begin again at step 0."
        return Changes(notes, question=question, instead="put one back from a copy")
    step = int(resumption.checkpoint.name)
    if resumption.differences is None:
        untold = f"The checkpoint of step {step} does not tell what it was trained on: nothing can be compared."
        return Changes((*notes, untold))
    groups = tuple(_groups(f"Changed since the checkpoint of step {step}", resumption.differences))
    impossible = ", ".join(each.name for each in resumption.differences if each.weight == "impossible")
    if impossible:
        refusal = EngineError(
            f"The run {run.name} cannot go on with another {impossible}.",
            f"Put it back, or train a new run with it, from these weights where they fit: --init-from {run.address}",
        )
        return Changes(notes, groups, refusal=refusal)
    weighs = any(each.weight == "learned" for each in resumption.differences)
    question = f"{run.name} would go on with these changes." if weighs else None
    return Changes(notes, groups, question, "undo what has changed")


def _groups(since: str, differences: tuple[Difference, ...]) -> Iterator[tuple[str, tuple[Difference, ...]]]:
    meanings = {
        "harmless": "without a change of what is learned",
        "learned": "and it changes what is learned",
        "impossible": "and what was trained does not fit it",
    }
    for weight, meaning in meanings.items():
        if of_weight := tuple(each for each in differences if each.weight == weight):
            yield f"{since}, {meaning}:", of_weight
