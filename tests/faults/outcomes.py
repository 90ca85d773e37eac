"""What tests of faults found: JSON lines in the file that LORATUI_OUTCOMES names, for docs/reliability.md."""

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILE_VARIABLE = "LORATUI_OUTCOMES"


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    test: its name, `file::test`.  fault: what was done to the run.  tries: how often.  outcome: what became of the run
    and its files.  told: what the user read or was shown, in the program's words.  held: whether the test passed.
    """

    test: str
    fault: str
    tries: int
    outcome: str
    told: str = ""
    held: bool = True


def append_outcomes(outcomes: Iterable[Outcome]) -> None:
    """Add them to the file of LORATUI_OUTCOMES; without it, nothing is kept. Tests side by side share the file."""
    if (path := os.environ.get(FILE_VARIABLE)) is None:
        return
    lines = "".join(json.dumps(dataclasses.asdict(outcome)) + "\n" for outcome in outcomes)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, lines.encode("ascii"))  # in one piece, which appending keeps together
    finally:
        os.close(descriptor)


def read_outcomes(path: Path) -> list[Outcome]:
    """All outcomes of a file, in the order of the tests' names."""
    outcomes = [Outcome(**json.loads(line)) for line in path.read_text("ascii").splitlines()]
    return sorted(outcomes, key=lambda outcome: outcome.test)
