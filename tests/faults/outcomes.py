"""What tests of faults found: JSON lines in the file that LORATUI_OUTCOMES names, for docs/reliability.md.

A line is a test: all that it found, as a list.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
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


def append_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Add what a test found to the file of LORATUI_OUTCOMES; without it, nothing is kept.

    Tests side by side share the file.
    """
    if not outcomes or (path := os.environ.get(FILE_VARIABLE)) is None:
        return
    line = json.dumps([dataclasses.asdict(outcome) for outcome in outcomes]) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line.encode("ascii"))  # in one piece, which appending keeps together
    finally:
        os.close(descriptor)


def read_outcomes(path: Path) -> list[Outcome]:
    """All outcomes of a file, in the order of the tests' names; of a test that ran more than once, the last run's."""
    by_test: dict[str, list[Outcome]] = {}
    for line in path.read_text("ascii").splitlines():
        outcomes = [Outcome(**fields) for fields in json.loads(line)]
        by_test[outcomes[0].test] = outcomes
    return [outcome for test in sorted(by_test) for outcome in by_test[test]]
