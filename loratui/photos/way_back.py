"""The way back: what was written to the photos' folder since it was opened, and over the mended copies turned to."""

from dataclasses import dataclass
from pathlib import Path

from curation import journal
from curation.entries import Entry


@dataclass(frozen=True)
class Step:
    """An entry in the journal of a folder."""

    root: Path
    entry: Entry


class WayBack:
    """The folders of one project in the order in which they were turned to; the last one is open."""

    def __init__(self, root: Path) -> None:
        self._began = {root: _last_number(root)}

    def turn_to(self, root: Path) -> None:
        """Go on to a mended copy, or back to a folder that was open before."""
        folders = list(self._began)
        for later in folders[folders.index(root) + 1 :] if root in folders else ():
            del self._began[later]
        self._began.setdefault(root, _last_number(root))

    def steps(self) -> tuple[Step, ...]:
        """What was done since each folder was opened, and is not undone; the last step first."""
        return tuple(
            Step(root, entry)
            for root, began in reversed(self._began.items())
            if root.is_dir()
            for entry in reversed(journal.history(root))
            if entry.state == "done" and entry.number > began
        )

    @property
    def last_root(self) -> Path:
        """The folder of the last step: the open one; of a copy in which nothing was done, that which it is of."""
        return next((root for root in reversed(self._began) if _can_undo(root)), self._open)

    def undo(self) -> Step:
        """Take back the last step. Raises CurationError as `journal.undo` does."""
        root = self.last_root
        return Step(root, journal.undo(root))

    def redo(self) -> Step:
        """Make the step once more that was undone last in the open folder. Raises CurationError."""
        return Step(self._open, journal.redo(self._open))

    @property
    def _open(self) -> Path:
        return next(reversed(self._began))


def _last_number(root: Path) -> int:
    return max((entry.number for entry in journal.history(root)), default=0)


def _can_undo(root: Path) -> bool:
    return root.is_dir() and any(entry.state == "done" for entry in journal.history(root))
