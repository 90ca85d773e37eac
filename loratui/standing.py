"""How far a step of the road is, and how far a run: a sign, and the same in a word."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loratui.terminal.glyphs import Sign

if TYPE_CHECKING:
    from engine.rundir import State

RUN_SIGNS: "dict[State, Sign]" = {
    "queued": "open",
    "starting": "going",
    "running": "going",
    "paused": "attention",
    "stopped": "attention",
    "finished": "done",
    "failed": "blocked",
    "died": "blocked",
}
VERDICT_SIGNS: dict[str, Sign] = {"ready": "done", "attention": "attention", "blocked": "blocked"}


@dataclass(frozen=True)
class Standing:
    """How far a step is."""

    sign: Sign
    word: str


WITHOUT_PHOTOS = {
    "photos": Standing("open", "no folder"),
    "checks": Standing("open", "not run"),
    "captions": Standing("open", ""),
    "recipe": Standing("open", ""),
    "train": Standing("open", "no run"),
    "results": Standing("open", ""),
}
"""How far each step is, by mode, where no folder of photos is open and no run on view."""
